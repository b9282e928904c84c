"""Where lines go. Writing blocks, and so is done by a thread, never by the loop."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Protocol, TextIO

SECONDS_A_DAY = 86_400


class Sink(Protocol):
    def write(self, text: str) -> None:
        """Raises OSError."""
        ...

    def close(self) -> None: ...


class Console:
    """Standard output or standard error, as it is when something is written."""

    def __init__(self, *, error: bool) -> None:
        self._error = error

    def write(self, text: str) -> None:
        stream = sys.stderr if self._error else sys.stdout
        stream.write(text)
        stream.flush()

    def close(self) -> None:
        pass


class File:
    """A file that is appended to. With `most_bytes` it begins anew when it is that long; then at most `most_files` old
    ones stay, none older than `most_days`.
    """

    def __init__(self, path: Path, most_bytes: int = 0, most_days: int = 0, most_files: int = 0) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._most_days = most_days
        self._most_files = most_files
        self._file: TextIO | None = None

    def write(self, text: str) -> None:
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        if self._most_bytes and self._file.tell() + len(text) > self._most_bytes and self._file.tell():
            self._rotate()
        assert self._file is not None
        self._file.write(text)
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        self.close()
        name = f"{self._path.stem}-{time.time_ns()}{self._path.suffix}"
        os.replace(self._path, self._path.with_name(name))
        self._remove_old()
        self._file = self._path.open("a", encoding="utf-8")

    def _remove_old(self) -> None:
        rotated = sorted(self._path.parent.glob(f"{self._path.stem}-[0-9]*{self._path.suffix}"), reverse=True)
        oldest = time.time() - self._most_days * SECONDS_A_DAY
        for number, file in enumerate(rotated):
            with contextlib.suppress(FileNotFoundError):
                too_old = bool(self._most_days) and file.stat().st_mtime < oldest
                if too_old or (self._most_files and number >= self._most_files):
                    file.unlink()
