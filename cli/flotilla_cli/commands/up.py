"""`flotilla up`."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace

from flotilla_cli.commands.place import up_options
from flotilla_cli.example import example_directory
from flotilla_cli.supervision.launch import run as supervise
from flotilla_cli.supervision.spawn import spawn, wait_until_up
from flotilla_cli.supervision.supervisor import Supervisor


def run(arguments: Namespace) -> int:
    """`--behind`: this is the supervisor of a detached mesh, whose output goes to a pipe until the mesh is
    up.
    """
    directory = (arguments.directory or example_directory()).absolute()
    options = up_options(arguments)
    if arguments.detach:
        wait_until_up(spawn(directory, options), options, print)
        return 0
    return asyncio.run(supervise(directory, options, _say, on_up=_let_go if arguments.behind else _announce))


def _say(line: str) -> None:
    print(line, flush=True)


def _announce(supervisor: Supervisor, stop: str = "Ctrl-C") -> None:
    where = supervisor.folder.path
    _say(f"The mesh is up: `flotilla status` shows it, {stop} stops it. Logs are in {where}.")


def _let_go(supervisor: Supervisor) -> None:
    """Says the last words to the one who started this, and writes to a file from now on."""
    _announce(supervisor, "`flotilla down`")
    log = os.open(supervisor.folder.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(log, descriptor)
    os.close(log)
