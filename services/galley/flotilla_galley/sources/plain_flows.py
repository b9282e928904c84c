"""Flow collections on one line, such as `{name: a, labels: {app: a}}` or `[GET, POST]`, as plain_blocks takes them.

As there: what is not plain beyond doubt (a key without a space behind its colon, an escape, a comma too many) is the parser's.
"""

from __future__ import annotations

import re
from typing import Any

from flotilla_shared.notation.scalars import is_word, plain_value

DEEPEST = 20
# A piece at a time: what opens, what closes, a comma, a key, a value.
_PIECE = re.compile(
    r"""\ *+ (?:
    ([\[{]) | ([\]}]) | (,)
    |   ([A-Za-z_][A-Za-z0-9_./-]{0,200}+) : \ ++
    |   (   -?[A-Za-z0-9_/.+] (?: [!-+\--9;->@-Z\\^-z|~] | :(?=[A-Za-z0-9/]) | \ ++(?=[!"$-+\--9;->@-Z\\^-z|~]) )*+
        |   '[ -&(-~]*+'
        |   "[ !#-[\]-~]*+"
        )
    )""",
    re.VERBOSE,
)
_END = re.compile(r"(?:\ ++(?:\#[ -~]*+)?+)?+\Z")
_OPENS, _CLOSES, _COMMA, _KEY, _VALUE = range(1, 6)


class NotPlain(Exception):
    """The text is not plain beyond doubt."""


def read_flow(text: str) -> Any:
    """The collection that a text begins with; behind it may only be a comment. Raises NotPlain."""
    value, end = _collection(text, 0, 0)
    if not _END.match(text, end):
        raise NotPlain
    return value


def scalar(written: str) -> Any:
    """What a text means, in quotes without escapes or plain. Raises NotPlain."""
    if written[0] in "'\"":
        return written[1:-1]
    try:
        return plain_value(written)
    except ValueError:
        raise NotPlain from None


def _collection(text: str, begin: int, depth: int) -> tuple[Any, int]:
    """The collection whose bracket stands there, and where it ends."""
    if depth >= DEEPEST:
        raise NotPlain
    if text[begin] == "[":
        return _items(text, begin + 1, depth)
    return _fields(text, begin + 1, depth)


def _items(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    piece = _piece(text, at)
    if piece[_CLOSES] == "]":
        return found, piece.end()
    while True:
        value, at = _value(text, piece, depth)
        found.append(value)
        piece = _piece(text, at)
        if piece[_CLOSES] == "]":
            return found, piece.end()
        piece = _next(text, piece)


def _fields(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    piece = _piece(text, at)
    if piece[_CLOSES] == "}":
        return found, piece.end()
    while True:
        key = piece[_KEY]
        if key is None or key in found or is_word(key):
            raise NotPlain
        found[key], at = _value(text, _piece(text, piece.end()), depth)
        piece = _piece(text, at)
        if piece[_CLOSES] == "}":
            return found, piece.end()
        piece = _next(text, piece)


def _value(text: str, piece: re.Match[str], depth: int) -> tuple[Any, int]:
    if piece[_OPENS] is not None:
        return _collection(text, piece.start(_OPENS), depth + 1)
    if piece[_VALUE] is None:
        raise NotPlain
    return scalar(piece[_VALUE]), piece.end()


def _piece(text: str, at: int) -> re.Match[str]:
    found = _PIECE.match(text, at)
    if found is None:
        raise NotPlain
    return found


def _next(text: str, comma: re.Match[str]) -> re.Match[str]:
    """What follows a comma."""
    if comma[_COMMA] is None:
        raise NotPlain
    return _piece(text, comma.end())
