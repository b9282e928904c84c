"""YAML with the line of every field. One bad document does not take the others of its file with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from flotilla_shared.notation.values import ValueReader

_SEPARATOR = re.compile(r"^---(?:\s.*)?$")
# All paths of a document together, in characters; lines of what comes after them are those of what is around it.
MAX_PATHS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """`value` is plain data; `lines` maps a path such as `spec.http[0].route` to its line (1-based) in the file.

    `columns` does the same for columns (1-based), and is empty unless they were asked for: a mesh's worth of them is
    memory that only who shows an excerpt has a use for.
    """

    value: Any
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a field, or of the nearest one around it that is written."""
        path = self._written(path)
        return self.lines[path] if path else self.line

    def column_of(self, path: str) -> int:
        """The column that goes with `line_of`; 1 where columns were not asked for."""
        return self.columns.get(self._written(path), 1)

    def _written(self, path: str) -> str:
        """The path, or that of the nearest field around it that is written; "" is the document."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return path


@dataclass(frozen=True, slots=True)
class YamlError:
    """A document that is no YAML."""

    line: int
    text: str


class _Places:
    """The first line and column of every path, as long as there is room for them."""

    def __init__(self, first_line: int, *, columns: bool) -> None:
        self.first_line = first_line
        self.lines: dict[str, int] = {}
        self.columns: dict[str, int] = {}
        self._with_columns = columns
        self._room = MAX_PATHS

    def note(self, path: str, mark: yaml.Mark) -> None:
        if path in self.lines or len(path) > self._room:
            return
        self._room -= len(path)
        self.lines[path] = mark.line + self.first_line
        if self._with_columns:
            self.columns[path] = mark.column + 1


def read_documents(text: str, *, columns: bool = False) -> Iterator[YamlDocument | YamlError]:
    """Every document of a file in order; empty ones are left out. Never raises."""
    for first_line, part in _split(text):
        places = _Places(first_line, columns=columns)
        try:
            reader = ValueReader(part, places.note)
            value = reader.next(None)
            reader.end()
        except (yaml.YAMLError, ValueError) as error:
            yield _explained(error, first_line)
            continue
        if value is not None:
            yield YamlDocument(value, places.lines[""], places.lines, places.columns)


def _split(text: str) -> Iterator[tuple[int, str]]:
    """(line of its first line, text) of each document."""
    begin, part = 1, list[str]()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if _SEPARATOR.match(line.rstrip("\r\n")):
            yield begin, "".join(part)
            # What follows the dashes on their line belongs to the document.
            begin, part = number, ["   " + line[3:]]
        else:
            part.append(line)
    yield begin, "".join(part)


def _explained(error: Exception, first_line: int) -> YamlError:
    mark = getattr(error, "problem_mark", None)
    line = first_line + mark.line if mark is not None else first_line
    text = getattr(error, "problem", None) or str(error)
    return YamlError(line, " ".join(str(text).split()))
