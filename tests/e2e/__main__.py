"""The tests of the whole mesh against both of its shapes at once, and with `--all` every other test beside them:

    python -m tests.e2e [--all] [options of pytest]

The mesh has fixed addresses, so each run of pytest gets a network of its own: the monolith one, and the four services,
which have more tests, two, each with every other file. Tests of the mesh wait most of their time, and the others use it.
Where the machine gives no network, the runs come one after the other. Ends as pytest does: 0, 5 if the options chose no
test, or what the first that failed ended with. Where the native front is installed the services use it, and the monolith does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.apart import command, possible

FOLDER = str(Path(__file__).parent)
NO_TESTS = 5
ALL = "--all"
MESH = ("-q", "-m", "mesh")
# Three workers, for these tests wait, too.
OTHERS = ("-q", "-m", "not mesh and not kube and not interop and not real", "-n", "3", "--dist", "worksteal")
# Shape, and which of how many parts of the files.
RUNS = (("services", "1/2"), ("services", "2/2"), ("monolith", "1/1"))
WITHOUT_NATIVE_FRONT = {"FLOTILLA_MIXER_FRONT": "grpc", "FLOTILLA_CITADEL_FRONT": "grpc"}


@dataclass(frozen=True, slots=True)
class Run:
    """One pytest: what is called, and the environment that it has beside ours."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def planned(options: Sequence[str]) -> Iterator[Run]:
    """The runs that may all be at once."""
    pytest = ["-m", "pytest", *MESH, *options, FOLDER]
    for shape, part in RUNS:
        fronts = WITHOUT_NATIVE_FRONT if shape == "monolith" else {}
        yield Run(command(*pytest), {"FLOTILLA_SHAPES": shape, "FLOTILLA_PART": part, **fronts})


def others(options: Sequence[str]) -> Run:
    """All tests that need no mesh and no cluster."""
    return Run([sys.executable, "-m", "pytest", *OTHERS, *options])


def result(codes: Sequence[int]) -> int:
    """What all ended with, as one exit code."""
    failed = [code for code in codes if code not in (0, NO_TESTS)]
    return failed[0] if failed else min(codes)


def ended(run: subprocess.Popen[bytes]) -> int:
    """What it ends with. An interruption reaches it as well, and it has a mesh to stop first."""
    try:
        return run.wait()
    except KeyboardInterrupt:
        return run.wait()


def at_once(runs: Sequence[Run]) -> int:
    """The first run is watched, the others are shown when they have ended."""
    with ExitStack() as files:
        outputs = [None, *(files.enter_context(tempfile.TemporaryFile()) for _ in runs[1:])]
        begun = [
            subprocess.Popen(run.command, env={**os.environ, **run.environment}, stdout=output, stderr=output)
            for run, output in zip(runs, outputs, strict=True)
        ]
        codes = [ended(each) for each in begun]
        for output in outputs[1:]:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    return result(codes)


def one_by_one(runs: Sequence[Run]) -> int:
    return result([subprocess.run(run.command, env={**os.environ, **run.environment}).returncode for run in runs])


def main(arguments: Sequence[str]) -> int:
    options = [each for each in arguments if each != ALL]
    beside = [others(options)] if ALL in arguments else []
    if "FLOTILLA_SHAPES" in os.environ or not possible():
        return one_by_one([*beside, Run([sys.executable, "-m", "pytest", *MESH, *options, FOLDER])])
    return at_once([*beside, *planned(options)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
