"""What an Envoy said last, from the log that it shares with its access log."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from contextlib import suppress
from pathlib import Path

TAIL_BYTES = 16384
KEPT_LINES = 50
SHOWN_CHARACTERS = 300
# [2026-01-02 03:04:05.678][12][critical][main] [source/server/server.cc:424] text
_OWN_LINE = re.compile(
    r"\[\d{4}-\d\d-\d\d [^]]+\]\[\d+\]\[(error|critical|warning)\]\[\w+\] (?:\[[^]]+\] )?(?P<text>.+)"
)
_LEVELS = ("critical", "error", "warning")


class FileLog:
    """Envoy writes into a file that the agent reads from where this Envoy began."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began = 0

    def begin(self) -> Path:
        """Where the next Envoy writes."""
        self._began = log_size(self._file)
        return self._file

    def started(self) -> None:
        """The next Envoy has been started."""

    def last_complaint(self) -> str:
        return last_complaint(self._file, self._began)

    def close(self) -> None:
        """Nothing is open."""


class RelayedLog:
    """What Envoy says on stderr is passed on to this process's own, line by line, and its end is remembered.

    A container's log is its standard streams; nothing is written to a disk or into memory that counts for the pod.
    Access logs do not come this way: Envoy writes them to the container's stdout itself. On the loop alone.
    """

    def __init__(self, target: int = 2) -> None:
        self._target = target
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._ours = self._theirs = -1

    def begin(self) -> int:
        """The descriptor for the next Envoy's stderr. Raises OSError."""
        self.close()
        self._lines.clear()
        self._ours, self._theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(self._theirs, True)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self._theirs

    def started(self) -> None:
        """The next Envoy has its own descriptor now, whose end is to be seen."""
        os.close(self._theirs)
        self._theirs = -1

    def last_complaint(self) -> str:
        self._read()
        return worst_of(list(self._lines))

    def close(self) -> None:
        if self._ours >= 0:
            asyncio.get_running_loop().remove_reader(self._ours)
            os.close(self._ours)
        if self._theirs >= 0:
            os.close(self._theirs)
        self._ours = self._theirs = -1

    def _read(self) -> None:
        if self._ours < 0:
            return
        try:
            content = os.read(self._ours, TAIL_BYTES)
        except BlockingIOError:
            return
        if not content:
            self.close()
            return
        with suppress(OSError):  # whoever reads the container's log is gone: Envoy must not wait for him
            os.write(self._target, content)
        self._lines.extend(line for line in content.decode("utf-8", "replace").splitlines() if line.strip())


def log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def last_complaint(log: Path, since: int) -> str:
    """The gravest thing that Envoy wrote after byte `since`, the last of its kind; else the last line; else empty."""
    return worst_of(_tail(log, since))


def worst_of(lines: list[str]) -> str:
    for level in _LEVELS:
        found = [match["text"] for line in lines if (match := _OWN_LINE.match(line)) and match[1] == level]
        if found:
            return found[-1][:SHOWN_CHARACTERS]
    return next((line.strip()[:SHOWN_CHARACTERS] for line in reversed(lines) if line.strip()), "")


def _tail(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since, end - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
