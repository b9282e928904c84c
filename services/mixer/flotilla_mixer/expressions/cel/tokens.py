"""The words of CEL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flotilla_shared.model.expressions import ExpressionError

LONGEST = 100_000
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+|//[^\n]*)
  | (?P<text>[rRbB]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<double>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
  | (?P<uint>(?:0[xX][0-9a-fA-F]+|\d+)[uU])
  | (?P<int>0[xX][0-9a-fA-F]+|\d+)
  | (?P<word>[_a-zA-Z][_a-zA-Z0-9]*)
  | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%!?:.,()\[\]{}<>])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_THEMSELVES = "\\?\"'`"


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, bytes, double, uint, int, word, sign or end; `value` what it stands for."""

    kind: str
    value: object
    position: int


def tokens(text: str) -> Iterator[Token]:
    """Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters")
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"{text[position]!r} cannot stand here", position)
        kind = str(found.lastgroup)
        if kind != "space":
            yield _token(kind, found.group(), position)
        position = found.end()
    yield Token("end", "", position)


def _token(kind: str, written: str, position: int) -> Token:
    match kind:
        case "double":
            return Token(kind, float(written), position)
        case "int" | "uint":
            number = int(written.rstrip("uU"), 16 if written[:2] in ("0x", "0X") else 10)
            if number >= 2 ** (63 if kind == "int" else 64):
                raise ExpressionError(f"{written} is too large", position)
            return Token(kind, number, position)
        case "text":
            return _text(written, position)
    return Token(kind, written, position)


def _text(written: str, position: int) -> Token:
    body = written.lstrip("rRbB")
    prefix = written[: len(written) - len(body)].lower()
    inner = body[3:-3] if len(body) >= 6 and body[:3] in ('"""', "'''") else body[1:-1]
    value = inner if "r" in prefix else _unescaped(inner, position, octets="b" in prefix)
    if "b" in prefix:
        return Token("bytes", value.encode("utf-8", "surrogateescape"), position)
    return Token("text", value, position)


def _unescaped(text: str, position: int, *, octets: bool) -> str:
    def character(found: re.Match[str]) -> str:
        hexadecimal = found[1] or found[2] or found[3]
        if hexadecimal or found[4]:
            number = int(hexadecimal, 16) if hexadecimal else int(found[4], 8)
            if octets and (found[1] or found[4]) and 0x80 <= number <= 0xFF:
                return chr(0xDC00 + number)  # one byte, as Python's surrogateescape writes it
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise ExpressionError(f"{found[0]} is no character", position)
            return chr(number)
        if found[5] in _LETTERS:
            return _LETTERS[found[5]]
        if found[5] in _THEMSELVES:
            return found[5]
        raise ExpressionError(f"{found[0]} is no escape", position)

    return _ESCAPE.sub(character, text)
