"""Where the example mesh is, and copies of it that run elsewhere."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from flotilla_cli.errors import PlanError

LOOPBACK = re.compile(r"\b127\.\d+\.(?=\d+\.\d+\b)")


def example_directory() -> Path:
    """Bookinfo's `local/`, beside its applications in the source; raises PlanError if it is not there."""
    spec = find_spec("flotilla_bookinfo")
    if spec is not None and spec.origin is not None:
        place = Path(spec.origin).parent.parent / "local"
        if place.is_dir():
            return place
    raise PlanError(
        "The Bookinfo example is not here.", "Name a mesh's directory, or run `make install` in the source."
    )


def telemetry_directory() -> Path:
    """The rules and backends of Bookinfo's telemetry, beside it in the source; raises PlanError if they are not there."""
    place = example_directory().parents[1] / "telemetry"
    if place.is_dir():
        return place
    raise PlanError("The example of telemetry is not here.", "It is examples/telemetry in the source.")


def copy_mesh(directory: Path, target: Path, *, block: int | None = None) -> Path:
    """Copies a mesh's directory to `target`, which must not exist; gives `target`.

    With `block` its addresses become 127.<block>.x.x, so that it can run beside the original.
    """
    shutil.copytree(directory, target)
    for file in target.rglob("*.yaml") if block is not None else ():
        file.write_text(LOOPBACK.sub(f"127.{block}.", file.read_text()))
    return target
