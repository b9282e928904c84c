"""`flotilla start`."""

from __future__ import annotations

from argparse import Namespace

from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import StartError
from flotilla_cli.mesh import Mesh, MeshTimeout
from flotilla_cli.status.view import Part

READY_SECONDS = 20.0


def run(arguments: Namespace) -> None:
    """Returns when the part is ready, or says what it still waits for; one that ended at once is an error."""
    name, mesh = arguments.name, Mesh.attach(run_dir(arguments))
    mesh.start(name)
    try:
        part = mesh.wait_part(name, lambda part: part.ready or part.state == "died", seconds=READY_SECONDS)
    except MeshTimeout:
        part = mesh.status().part(name)
    if part.state == "died":
        raise StartError(f"{name} {part.reason}.", f"`flotilla logs {name}` shows more.")
    print(describe(part))


def describe(part: Part) -> str:
    if part.ready:
        return f"{part.name} is ready."
    return f"{part.name} is started, but not ready yet: {part.reason or part.state}."
