"""`python -m helm.generate [--check]`: writes what is made, or says what is not as it would be written (exit code 1)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from helm.generate.crds import crd_files
from helm.generate.defaults import CHART_HEADER, values_yaml
from helm.generate.files import collections_yaml, kinds_yaml, telemetry_yaml
from helm.generate.kinds.pages import kind_pages
from helm.generate.mixer.pages import mixer_pages
from helm.generate.reference import reference
from helm.generate.schema import CHARTS, chart_schema, umbrella_schema

ROOT = Path(__file__).parents[2]
CHART = Path("helm/flotilla")


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1) + "\n"


def made(root: Path = ROOT) -> dict[Path, str]:
    """Every made file, relative to the root, with the text that it must have."""
    charts = CHART / "charts"
    files = {
        CHART / "values.yaml": values_yaml(),
        CHART / "values.schema.json": _json(umbrella_schema()),
        Path("docs/reference/chart-values.md"): reference(),
        **crd_files(),
        **kind_pages(),
        **mixer_pages(),
        charts / "galley/files/kinds.yaml": kinds_yaml(),
        charts / "galley/files/collections.yaml": collections_yaml(),
        charts / "mixer/files/telemetry.yaml": telemetry_yaml(root),
    }
    for chart in CHARTS:
        files[charts / chart / "values.yaml"] = CHART_HEADER
        files[charts / chart / "values.schema.json"] = _json(chart_schema(chart))
    return files


def differing(root: Path = ROOT) -> list[Path]:
    """The made files that are missing or differ."""
    return [
        path for path, text in made(root).items() if not (root / path).is_file() or (root / path).read_text() != text
    ]


def main(arguments: list[str]) -> int:
    stale = differing()
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is not as the code would make it: run `make charts` and commit", file=sys.stderr)
        return 1 if stale else 0
    files = made()
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(files[path])
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
