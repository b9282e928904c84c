"""Files of the charts that follow the code: kinds, collections, the standard metrics."""

from __future__ import annotations

from pathlib import Path

import yaml

from flotilla_mixer.configuration.build import COLLECTIONS as DISPATCHED
from flotilla_pilot.model.snapshot import COLLECTIONS as COMPILED
from flotilla_shared.model.kinds import WRITTEN

TELEMETRY = Path("examples/bookinfo/local/config/telemetry.yaml")
MADE = "# Made by `make charts`.\n"


def kinds_yaml() -> str:
    """API group -> resources: what Galley reads and validates."""
    groups: dict[str, list[str]] = {}
    for kind in WRITTEN:
        groups.setdefault(kind.group, []).append(kind.plural)
    return MADE + yaml.safe_dump({group: sorted(plurals) for group, plurals in sorted(groups.items())})


def collections_yaml() -> str:
    """Service -> the collections that it asks Galley for."""
    return MADE + yaml.safe_dump({"mixer": sorted(DISPATCHED), "pilot": sorted(COMPILED)})


def telemetry_yaml(root: Path) -> str:
    """The objects of the example's standard metrics, without the comment that is about the example."""
    lines = (root / TELEMETRY).read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))
