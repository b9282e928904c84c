"""The demo from end to end: a copy of the example, the mesh, the steps, and the way out."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.steps import STEPS
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions

CERTIFICATE_SECONDS = 30


def walk(options: UpOptions, stage: Stage, *, once: bool) -> bool:
    """Goes through all steps; True if every one held. Unless `once`, stays until Ctrl-C. Leaves nothing
    behind.

    Main thread only. Raises StartError, PlanError or CheckError if the mesh cannot be brought up.
    """
    # As Ctrl-C, so that the mesh is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with example_copy() as directory:
        stage.say(f"The Bookinfo example, copied to {directory}")
        with Mesh.up(directory, options, say=lambda line: stage.say(f"   {line}")) as mesh:
            with Traffic(f"{mesh.gateway}/productpage") as traffic:
                for step in STEPS:
                    with stage.step((step.__doc__ or "").rstrip(".")):
                        step(mesh, stage, traffic)
            held = stage.verdict()
            if not once:
                stay(mesh, stage, directory)
        stage.say("The mesh is down, and the copy is removed.")
    return held


def stay(mesh: Mesh, stage: Stage, directory: Path) -> None:
    """Until Ctrl-C, or until somebody else stops the mesh."""
    stage.say(f"\nThe mesh stays up until Ctrl-C: {mesh.gateway}/productpage")
    stage.say(f"Its configuration: {directory}/config. See `flotilla status`, `flotilla logs`, `flotilla --help`.")
    try:
        while mesh.client.state() is not None:
            threading.Event().wait(1.0)
    except KeyboardInterrupt:
        stage.say("")


@contextmanager
def example_copy() -> Iterator[Path]:
    """The example's directory in a temporary folder, where it can be edited."""
    with tempfile.TemporaryDirectory(prefix="flotilla-demo-") as folder:
        yield copy_mesh(example_directory(), Path(folder) / "bookinfo")
