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
_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<newline>\n)"
    r"|(?P<float>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
    r"|(?P<int>0[xXbBoO][0-9a-fA-F_]+|[0-9]+)"
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
    place = 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            raise ExpressionError(_illegal(source, place), place)
        kind, text = str(match.lastgroup), match[0]
        if kind == "newline":
            if found and _ends(found[-1]):
                rest = source[match.end() :]
                if rest.strip():
                    raise ExpressionError("the expression ends with this line, but more follows", place)
        elif kind != "space":
            found.append(Token(kind, text, place))  # type: ignore[arg-type]  # the groups are the kinds
        place = match.end()
    return [*found, Token("end", "", len(source))]


def _ends(token: Token) -> bool:
    return token.kind != "operator" or token.text in _ENDING


def _illegal(source: str, place: int) -> str:
    if source.startswith("/*", place):
        return "this comment is not ended"
    if source[place] in "\"'`":
        return "this text is not terminated"
    if source[place] == "=":
        return "expected ==, found ="
    return f"{source[place]!r} cannot stand in an expression"
