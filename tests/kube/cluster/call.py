"""Runs a program to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kube.cluster.errors import ClusterError

SHOWN = 3000


def call(
    command: Sequence[str],
    what: str,
    *,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Its standard output. Raises ClusterError, `what` and the end of all that it said, if it fails.

    `given` is its standard input; `environment` is added to this process's.
    """
    done = subprocess.run(
        command,
        input=given or b"",
        capture_output=True,
        env={**os.environ, **(environment or {})},
        cwd=folder,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise ClusterError(f"{what} failed:\n{said[-SHOWN:].strip()}")
    return done.stdout.decode(errors="replace")
