"""`flotilla down`."""

from __future__ import annotations

from argparse import Namespace

from flotilla_cli.commands.place import run_dir
from flotilla_cli.mesh import Mesh


def run(arguments: Namespace) -> None:
    Mesh.attach(run_dir(arguments)).down()
    print("The mesh is down.")
