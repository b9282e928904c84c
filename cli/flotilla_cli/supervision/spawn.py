"""A supervisor in a process of its own: for `flotilla up --detach`, the demo and the end-to-end tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flotilla_cli.client import SupervisorClient
from flotilla_cli.errors import StartError
from flotilla_cli.options import UpOptions
from flotilla_cli.run_folder import default_run_dir
from flotilla_shared.runtime.child import tied_command


def spawn(directory: Path, options: UpOptions, *, tied: bool = False) -> subprocess.Popen[str]:
    """Starts `flotilla up` in a session of its own; its output can be read until the mesh is up.

    `tied`: it gets SIGTERM when the calling thread ends, so call that from the main thread.
    """

    command = [sys.executable, "-m", "flotilla_cli", "up", str(directory), "--behind", *options.arguments()]
    return subprocess.Popen(  # noqa: S603 (this very command)
        tied_command(command, signal.SIGTERM) if tied else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until_up(process: subprocess.Popen[str], options: UpOptions, say: Callable[[str], None]) -> None:
    """Hands on its lines until the mesh is up; raises StartError with its last words if it ended."""
    said = []
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            said.append(line.rstrip("\n"))
            if not said[-1].startswith("flotilla: "):
                say(said[-1])
    state = SupervisorClient((options.run_dir or default_run_dir(os.environ)).absolute()).state()
    if state is None or state["phase"] != "up" or state["pid"] != process.pid:
        process.wait()
        raise StartError(_last_words(said))


def _last_words(said: list[str]) -> str:
    """The refusal and its further lines, or whatever came last."""
    starts = [number for number, line in enumerate(said) if line.startswith("flotilla: ")]
    if starts:
        return "\n".join(said[starts[-1] :]).removeprefix("flotilla: ")
    return said[-1] if said else "The supervisor ended without a word."
