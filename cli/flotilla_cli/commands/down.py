"""`flotilla down`."""

from __future__ import annotations

from pathlib import Path

from flotilla_cli.commands.place import chosen_run_dir
from flotilla_cli.mesh import Mesh


def run(run_dir: Path | None) -> None:
    mesh = Mesh.attach(chosen_run_dir(run_dir))
    mesh.down()
    print("The mesh is down.")
