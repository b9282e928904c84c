"""YAML with the line of every field. One bad document does not take the others of its file with it.

Where a field stands is asked of few objects, those with which something is wrong: a plain text is read without noting it,
and again by the parser when somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from flotilla_galley.sources.plain_blocks import read_plain
from flotilla_galley.sources.plain_flows import NotPlain
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
    """A document that is no YAML; the place is where reading it ended."""

    line: int
    text: str
    column: int = 1


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


class _LaterLines(Mapping[str, int]):
    """The lines of a text that was read without them: what is asked for of every object, and the rest when it is asked for."""

    __slots__ = ("_all", "_known", "_part")

    def __init__(self, part: Part, known: Mapping[str, int]) -> None:
        self._part = part
        self._known = known
        self._all: Mapping[str, int] | None = None

    def __getitem__(self, path: str) -> int:
        known = self._known.get(path)
        return known if known is not None else self._whole()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def _whole(self) -> Mapping[str, int]:
        if self._all is None:
            places = _Places(self._part.line, columns=False)
            _parse(self._part.text, places)
            self._all = places.lines
        return self._all


class Part(NamedTuple):
    """The text of one document of a file, and the line at which it begins there."""

    line: int
    text: str


def read_documents(text: str, *, columns: bool = False) -> Iterator[YamlDocument | YamlError]:
    """Every document of a file in order; empty ones are left out. Never raises."""
    for part in parts_of(text):
        found = read_part(part, columns=columns)
        if found is not None:
            yield found


def read_part(part: Part, *, columns: bool = False) -> YamlDocument | YamlError | None:
    """The document of a part; None for an empty one. Never raises."""
    if not columns:
        try:
            value, known = read_plain(part.text)
        except NotPlain:
            pass
        else:
            lines = _LaterLines(part, {path: line + part.line for path, line in known.items()})
            return YamlDocument(value, lines[""], lines)
    places = _Places(part.line, columns=columns)
    try:
        value = _parse(part.text, places)
    except (yaml.YAMLError, ValueError) as error:
        return _explained(error, part.line)
    return YamlDocument(value, places.lines[""], places.lines, places.columns) if value is not None else None


def _parse(text: str, places: _Places) -> Any:
    """The value, None for an empty document. Raises yaml.YAMLError, ValueError."""
    reader = ValueReader(text, places.note)
    value = reader.next(None)
    reader.end()
    return value


def parts_of(text: str) -> Iterator[Part]:
    """The parts of a file, empty ones included."""
    if "---" not in text:
        yield Part(1, text)
        return
    begin, part = 1, list[str]()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if _SEPARATOR.match(line.rstrip("\r\n")):
            yield Part(begin, "".join(part))
            # What follows the dashes on their line belongs to the document.
            begin, part = number, ["   " + line[3:]]
        else:
            part.append(line)
    yield Part(begin, "".join(part))


def _explained(error: Exception, first_line: int) -> YamlError:
    mark = getattr(error, "problem_mark", None)
    line = first_line + mark.line if mark is not None else first_line
    text = getattr(error, "problem", None) or str(error)
    return YamlError(line, " ".join(str(text).split()), mark.column + 1 if mark is not None else 1)
