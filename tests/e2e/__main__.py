"""The tests of this folder against both shapes of the mesh at once: `python -m tests.e2e [options of pytest]`.

The mesh has fixed addresses, so each shape gets a network of its own. Where the machine gives none, pytest runs as it
always does, one shape after the other. Ends as pytest does: 0, 5 if the options chose no test of either shape, or
what the first that failed ended with.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.apart import command, possible

FOLDER = str(Path(__file__).parent)
NO_TESTS = 5


def result(codes: Sequence[int]) -> int:
    """What both ended with, as one exit code."""
    failed = [code for code in codes if code not in (0, NO_TESTS)]
    return failed[0] if failed else min(codes)


def ended(run: subprocess.Popen[bytes]) -> int:
    """What it ends with. An interruption reaches it as well, and it has a mesh to stop first."""
    try:
        return run.wait()
    except KeyboardInterrupt:
        return run.wait()


def both(pytest: Sequence[str]) -> int:
    """One shape is watched as it runs, the other is shown when it has ended."""
    with tempfile.TemporaryFile() as later:
        runs = [
            subprocess.Popen(command(*pytest), env={**os.environ, "FLOTILLA_SHAPES": shape}, stdout=out, stderr=out)
            for shape, out in (("services", None), ("monolith", later))
        ]
        codes = [ended(run) for run in runs]
        later.seek(0)
        sys.stdout.buffer.write(later.read())
        sys.stdout.flush()
    return result(codes)


def main(options: Sequence[str]) -> int:
    pytest = ["-m", "pytest", *options, FOLDER]
    if "FLOTILLA_SHAPES" in os.environ or not possible():
        return subprocess.run([sys.executable, *pytest]).returncode
    return both(pytest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
