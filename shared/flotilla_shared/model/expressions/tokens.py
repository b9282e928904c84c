"""From text to tokens: the part of Go's that expressions are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flotilla_shared.model.expressions.errors import ExpressionError

Kind = Literal["name", "int", "float", "text", "operator", "end"]
KEYWORDS = frozenset(
    (
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    )
)
_DIGITS, _HEX = r"[0-9](?:_?[0-9])*", r"(?:_?[0-9a-fA-F])+"
_EXPONENT = rf"[-+]?{_DIGITS}"
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+|//[^\n]*|/\*.*?\*/)"
    rf"|(?P<float>(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:[eE]{_EXPONENT})?|{_DIGITS}[eE]{_EXPONENT}"
    rf"|0[xX](?:{_HEX}(?:\.(?:{_HEX})?)?|\.{_HEX})[pP]{_EXPONENT})"
    r"|(?P<int>0[xXbBoO][0-9a-fA-F_]+|[0-9][0-9_]*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<operator>&&|\|\||==|!=|<=|>=|<<|>>|&\^|[-+*%&|^<>!.,()\[\]]|/(?!\*))",
    re.DOTALL,
)
# After these Go takes the end of a line for the end of the expression.
_ENDING = frozenset((")", "]"))


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    position: int


def tokens_of(source: str) -> list[Token]:
    """All tokens, the last of kind `end`. Raises ExpressionError for what is no token."""
    found: list[Token] = []
    place, ended = 0, False
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None or "\0" in match[0]:
            raise ExpressionError(_illegal(source, place), place)
        kind, text = str(match.lastgroup), match[0]
        if kind == "space":  # a comment of several lines ends a line too
            ended = ended or ("\n" in text and bool(found) and _ends(found[-1]))
        else:
            if ended:
                raise ExpressionError("the expression ends with the line before this, but more follows", place)
            found.append(Token(kind, text, place))  # type: ignore[arg-type]  # the groups are the kinds
        place = match.end()
    return [*found, Token("end", "", len(source))]


def _ends(token: Token) -> bool:
    return token.kind != "operator" or token.text in _ENDING


def _illegal(source: str, place: int) -> str:
    if "\0" in source:
        return "there is a NUL character"
    if source.startswith("/*", place):
        return "this comment is not ended"
    if source[place] in "\"'`":
        return "this text is not terminated"
    if source[place] == "=":
        return "expected ==, found ="
    return f"{source[place]!r} cannot stand in an expression"
