"""The demo from end to end: a copy of the example, the mesh, the steps, and the way out."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flotilla_cli.demo import mixer_steps
from flotilla_cli.demo.backends import chosen, running
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.steps import STEPS, Step
from flotilla_cli.demo.telling import Telling
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.example import copy_mesh, example_directory, telemetry_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import read_plan

CERTIFICATE_SECONDS = 30


def walk(options: UpOptions, stage: Stage, *, once: bool, adapters: str = "") -> bool:
    """Goes through all steps; True if every one held. Unless `once`, stays until Ctrl-C. Leaves nothing
    behind. With `adapters` (`all`, or names with commas) their backends are started, and told of what happens.

    Main thread only. Raises StartError, PlanError or CheckError if the mesh cannot be brought up.
    """
    # As Ctrl-C, so that the mesh is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with example_copy() as directory, _steps(adapters, directory, stage) as steps:
        stage.say(f"The Bookinfo example, copied to {directory}")
        with Mesh.up(directory, options, say=lambda line: stage.say(f"   {line}")) as mesh:
            with Traffic(f"{mesh.gateway}/productpage") as traffic:
                for step in steps:
                    with stage.step((step.__doc__ or "").rstrip(".")):
                        step(mesh, stage, traffic)
            held = stage.verdict()
            if not once:
                stay(mesh, stage, directory)
        stage.say("The mesh is down, and the copy is removed.")
    return held


@contextmanager
def _steps(adapters: str, directory: Path, stage: Stage) -> Iterator[Sequence[Step]]:
    """All of them: that of backends after that of Mixer's own page."""
    if not adapters:
        yield STEPS
        return
    telemetry = telemetry_directory()
    names, mixer = chosen(adapters, telemetry), read_plan(directory).addresses["mixer"]
    stage.say("Backends of the mesh's telemetry:")
    with running(names, telemetry, mixer, lambda line: stage.say(f"   {line}")) as backends:
        after = STEPS.index(mixer_steps.telemetry) + 1
        yield *STEPS[:after], Telling(backends, telemetry), *STEPS[after:]


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
