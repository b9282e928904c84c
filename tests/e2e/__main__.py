"""The tests of this folder against both shapes of the mesh at once: `python -m tests.e2e [options of pytest]`.

The mesh has fixed addresses, so each run of pytest gets a network of its own: the monolith one, and the four services,
which have more tests, two, each with every other file. Where the machine gives none, pytest runs as it always does, one
shape after the other. Ends as pytest does: 0, 5 if the options chose no test, or what the first that failed ended with.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.apart import command, possible

FOLDER = str(Path(__file__).parent)
NO_TESTS = 5
# Shape, and which of how many parts of the files.
RUNS = (("services", "1/2"), ("services", "2/2"), ("monolith", "1/1"))


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


def at_once(pytest: Sequence[str]) -> int:
    """The first run is watched, the others are shown when they have ended."""
    with ExitStack() as files:
        outputs = [None, *(files.enter_context(tempfile.TemporaryFile()) for _ in RUNS[1:])]
        runs = [
            subprocess.Popen(
                command(*pytest),
                env={**os.environ, "FLOTILLA_SHAPES": shape, "FLOTILLA_PART": part},
                stdout=output,
                stderr=output,
            )
            for (shape, part), output in zip(RUNS, outputs, strict=True)
        ]
        codes = [ended(run) for run in runs]
        for output in outputs[1:]:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    return result(codes)


def main(options: Sequence[str]) -> int:
    pytest = ["-m", "pytest", *options, FOLDER]
    if "FLOTILLA_SHAPES" in os.environ or not possible():
        return subprocess.run([sys.executable, *pytest]).returncode
    return at_once(pytest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
