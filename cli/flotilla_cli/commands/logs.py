"""`flotilla logs`."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import NoMesh, Refused
from flotilla_cli.run_folder import RunFolder

POLL_SECONDS = 0.2
BLOCK_BYTES = 1 << 16


def run(arguments: Namespace) -> None:
    """Works after the mesh has gone, too: the next one removes the logs."""
    show(
        RunFolder(run_dir(arguments)),
        arguments.name,
        follow=arguments.follow,
        envoy=arguments.envoy,
        lines=arguments.lines,
    )


def show(
    folder: RunFolder, name: str | None, *, follow: bool, envoy: bool, lines: int = 0, since: int | None = None
) -> None:
    """The last lines of one log, or of all with their names in front; with `follow` never returns.

    `since`: what follows that byte instead of the last lines; only with `follow`.
    """
    files = chosen_logs(folder, name, envoy=envoy)
    width = max(len(label) for label in files) if name is None else 0
    opened = {label: file.open("rb") for label, file in files.items()}
    try:
        for label, log in opened.items():
            if since is not None:
                log.seek(since)
                continue
            for line in last_lines(log, lines):
                _print(label, line, width)
        while follow:
            for label, log in opened.items():
                for raw in log:
                    _print(label, raw.decode(errors="replace").rstrip("\n"), width)
            time.sleep(POLL_SECONDS)
    finally:
        for log in opened.values():
            log.close()


def chosen_logs(folder: RunFolder, name: str | None, *, envoy: bool) -> dict[str, Path]:
    """Label -> file. Raises NoMesh if there are no logs at all, Refused for a name that has none."""
    known = {file.stem: file for file in sorted(folder.path.glob("*.log"))}
    if not known:
        raise NoMesh(f"There are no logs in {folder.path}.", "`flotilla up` starts a mesh.")
    if name is None:
        return known
    file = folder.envoy_log(name) if envoy or name not in known else known[name]
    if not file.is_file():
        names = ", ".join(sorted({*known, *(log.parent.name for log in folder.path.glob("*/envoy.log"))}))
        raise Refused(f"{name} has no log{' of an Envoy' if envoy else ''}.", f"There are: {names}.")
    return {name: file}


def last_lines(log: BinaryIO, count: int) -> Iterator[str]:
    """The file's last `count` lines; leaves it at its end."""
    position = log.seek(0, os.SEEK_END)
    found = b""
    while position > 0 and found.count(b"\n") <= count:
        step = min(BLOCK_BYTES, position)
        position -= step
        log.seek(position)
        found = log.read(step) + found
    log.seek(0, os.SEEK_END)
    lines = found.decode(errors="replace").splitlines()
    yield from lines[max(0, len(lines) - count) :]


def _print(label: str, line: str, width: int) -> None:
    print(f"{label:<{width}} | {line}" if width else line, flush=True)
