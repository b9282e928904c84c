"""A fault shown in its file: the line it stands in, and a caret under it, as compilers print them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

_COLOURS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "info": "\x1b[1;36m",
    "good": "\x1b[1;32m",
    "place": "\x1b[1;34m",
}
_RESET = "\x1b[0m"
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s:,\[\]{}]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Placed(Protocol):
    """What can be shown: something wrong, and where. `line` and `column` are 1-based."""

    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...


class Excerpts:
    """Shows faults of `texts` (by name of their file)."""

    def __init__(self, texts: Mapping[str, str], *, colour: bool) -> None:
        self._lines = {name: text.splitlines() for name, text in texts.items()}
        self._colour = colour

    def of(self, severity: str, about: str, fault: Placed) -> str:
        """Several lines: what is wrong with what, where, the excerpt, and what would be right."""
        head = f"{self._painted(severity, f'{severity}[{fault.code}]')} {printable(about)}: {printable(fault.message)}"
        number = str(fault.line)
        gutter = " " * len(number)
        bar = self._painted("place", "|")
        field = f" ({fault.field})" if fault.field else ""
        shown = [
            head,
            f"{gutter}{self._painted('place', '-->')} {fault.file}:{number}:{fault.column}{printable(field)}",
        ]
        lines = self._lines.get(fault.file, [])
        if 1 <= fault.line <= len(lines):
            line = lines[fault.line - 1]
            shown.append(f"{self._painted('place', number)} {bar} {printable(line)}")
            shown.append(f"{gutter} {bar} {self._painted(severity, _carets(line, fault.column))}")
        if fault.hint:
            shown.append(f"{gutter} {self._painted('place', '=')} hint: {printable(fault.hint)}")
        return "\n".join(shown) + "\n"

    def _painted(self, name: str, text: str) -> str:
        return painted(name, text, colour=self._colour)


def painted(name: str, text: str, *, colour: bool) -> str:
    """A text in the colour of `error`, `warning`, `info`, `good` or `place`."""
    return f"{_COLOURS[name]}{text}{_RESET}" if colour else text


def printable(line: str) -> str:
    """A line of somebody's file must not move a terminal's cursor."""
    return _CONTROL.sub("?", line.replace("\t", " "))


def _carets(line: str, column: int) -> str:
    """Carets under the word that begins at a column."""
    found = _WORD.match(line, column - 1)
    return " " * (column - 1) + "^" * (len(found.group()) if found else 1)
