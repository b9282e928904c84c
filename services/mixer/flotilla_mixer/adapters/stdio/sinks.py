"""Where lines go. Writing blocks, and so is done by a thread, never by the loop."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Protocol

SECONDS_A_DAY = 86_400
MOMENT = "%Y-%m-%dT%H-%M-%S.%f"
ROTATED = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}"


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
        self._file: FileIO | None = None

    def write(self, text: str) -> None:
        """All of it, or nothing: what was written before it failed is taken back."""
        content = text.encode(errors="replace")
        length = self._length()
        if self._most_bytes and length and length + len(content) > self._most_bytes:
            self._rotate()
            length = self._length()
        assert self._file is not None
        try:
            _write_all(self._file, content)
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(length)
            self.close()
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _length(self) -> int:
        """Of the file, which is opened if it is not. One that was moved away by somebody else begins anew."""
        if self._file is not None and not _is_at(self._file, self._path):
            self.close()
        if self._file is None:
            self._file = FileIO(self._path, "ab")
            self._remove_old()
        return os.fstat(self._file.fileno()).st_size

    def _rotate(self) -> None:
        self.close()
        moment = datetime.now(UTC).strftime(MOMENT)
        os.replace(self._path, self._path.with_name(f"{self._path.stem}-{moment}{self._path.suffix}"))

    def _remove_old(self) -> None:
        """Of the files that rotation left; others of a similar name are let alone."""
        if not self._most_bytes:
            return
        name = re.compile(rf"{re.escape(self._path.stem)}-{ROTATED}{re.escape(self._path.suffix)}")
        rotated = sorted((file for file in self._path.parent.iterdir() if name.fullmatch(file.name)), reverse=True)
        oldest = time.time() - self._most_days * SECONDS_A_DAY
        for number, file in enumerate(rotated):
            with contextlib.suppress(FileNotFoundError):
                too_old = bool(self._most_days) and file.stat().st_mtime < oldest
                if too_old or (self._most_files and number >= self._most_files):
                    file.unlink()


def _write_all(file: FileIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
