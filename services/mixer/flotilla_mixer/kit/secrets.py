"""Secrets of backends: in files, which are read again when they change."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

LONGEST_BYTES = 64 * 1024


class SecretError(ValueError):
    """A secret cannot be had; the text names its file, and never what is in it."""


class SecretFile:
    """The text of a file, without space around it. Its `repr` shows the path alone.

    A file that was replaced is read at the next use: a call looks at its age, size and number, which takes some
    microseconds. What was read stays in use while the file is away or empty, as between two versions of it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.version = 0  # grows with each content; what was made of an older one is to be made anew
        self._seen: tuple[int, int, int] | None = None
        self._text = ""

    def __repr__(self) -> str:
        return f"SecretFile({str(self.path)!r})"

    def read(self) -> str:
        """Raises SecretError while there has never been a secret: no file, an empty one, or one that is too long."""
        try:
            found = os.stat(self.path)
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._take(self._content(), seen)
        except SecretError:
            if not self._text:
                raise
        except OSError as error:
            if not self._text:
                raise SecretError(f"the secret {self.path} cannot be read: {error.strerror or error}") from error
        return self._text

    def _content(self) -> str:
        with self.path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
        if len(content) > LONGEST_BYTES:
            raise SecretError(f"the secret {self.path} is longer than {LONGEST_BYTES} bytes")
        text = content.decode(errors="replace").strip()
        if not text:
            raise SecretError(f"the secret {self.path} is empty")
        return text

    def _take(self, text: str, seen: tuple[int, int, int]) -> None:
        if text != self._text:
            self.version += 1
        self._text, self._seen = text, seen


class SecretFolders:
    """The folders below which handlers may name files with secrets.

    Who may write a handler chooses its file and where its content goes; so it must not be any file that Mixer can read.
    Paths are taken as they are written, without `..`: links within a folder are its owner's affair, as Kubernetes makes
    them.
    """

    def __init__(self, folders: Iterable[str] = ("/",)) -> None:
        self._folders = tuple(Path(os.path.normpath(each)) for each in folders)

    def file(self, path: Path | str) -> SecretFile:
        """Raises SecretError for a file that is elsewhere, and for a path that is not absolute."""
        wanted = Path(os.path.normpath(path))
        if not wanted.is_absolute():
            raise SecretError(f"the secret {path} must be named by its whole path, from /")
        if not any(wanted.is_relative_to(each) for each in self._folders):
            known = ", ".join(map(str, self._folders)) or "none"
            raise SecretError(f"the secret {path} must be below a folder of Mixer's setting secret_folders: {known}")
        return SecretFile(wanted)


ANY_FOLDER = SecretFolders()
