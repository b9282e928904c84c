"""The texts of files and folders."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from flotilla_galley.sources.folder import read_text

STANDARD_INPUT = "-"
SUFFIXES = (".yaml", ".yml", ".json")


class UnreadableFile(Exception):
    """A file that is named cannot be read; one sentence says which and why."""


def read_texts(paths: Iterable[str], *, recursive: bool) -> dict[str, str]:
    """Texts by the name to show, in the order in which they are named. Raises UnreadableFile."""
    return {
        name: _standard_input() if name == STANDARD_INPUT else text_of(Path(name)) for name in _names(paths, recursive)
    }


def text_of(path: Path) -> str:
    """Raises UnreadableFile."""
    try:
        return read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(f"{path} cannot be read: {reason}. Name a file of YAML or JSON.") from error


def _names(paths: Iterable[str], recursive: bool) -> Iterator[str]:
    """Each file that is named, and of folders those that look like YAML or JSON, by name."""
    for path in paths:
        folder = Path(path)
        if path == STANDARD_INPUT or not folder.is_dir():
            yield path
        else:
            found = folder.rglob("*") if recursive else folder.glob("*")
            yield from (str(each) for each in sorted(found) if each.suffix in SUFFIXES and each.is_file())


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UnreadableFile("standard input is no text in UTF-8.") from error
