"""`flotilla status`."""

from __future__ import annotations

import json
from pathlib import Path

from flotilla_cli.commands.place import supervisor


def run(run_dir: Path | None, *, as_json: bool) -> None:
    answer = supervisor(run_dir).status()
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    from flotilla_cli.status.table import show
    from flotilla_cli.status.view import MeshStatus

    show(MeshStatus(answer))
