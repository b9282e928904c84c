"""The files of a downward API volume: one `key="value"` a line, the value quoted as Go quotes."""

from __future__ import annotations

import re
from pathlib import Path

_LINE = re.compile(r'^(?P<key>[^=]+)="(?P<value>(?:[^"\\]|\\.)*)"$')
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_podinfo(file: Path) -> dict[str, str]:
    """What the file says, nothing if there is none. Lines of another form are left out. Blocking."""
    try:
        return parse_podinfo(file.read_text(errors="replace"))
    except OSError:
        return {}


def parse_podinfo(text: str) -> dict[str, str]:
    found = (_LINE.match(line) for line in text.splitlines())
    return {match["key"]: _ESCAPE.sub(_unescaped, match["value"]) for match in found if match}


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else "�"
    return _NAMED.get(match[4], match[4])
