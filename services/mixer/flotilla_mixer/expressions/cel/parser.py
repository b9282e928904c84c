"""From CEL as text to a tree."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_mixer.expressions.cel.tokens import Token, tokens
from flotilla_mixer.expressions.cel.tree import Call, ListOf, Literal, MapOf, Name, Node, Select, Wrapped
from flotilla_shared.model.expressions import ExpressionError

DEEPEST = 60
_TYPES = {"text": "string", "bytes": "bytes", "double": "double", "uint": "uint", "int": "int"}
_WORDS = {"true": Literal(True, "bool"), "false": Literal(False, "bool"), "null": Literal(None, "null_type")}
# From the loosest to the tightest; all are left-associative.
_LEVELS = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))


def parse(text: str) -> Node:
    """Raises ExpressionError."""
    parser = _Parser(text)
    found = parser.expression()
    parser.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *signs: str) -> bool:
        return self._next.kind in ("sign", "word") and self._next.value in signs

    def _take(self) -> Token:
        found = self._next
        self._at += 1
        return found

    def _want(self, sign: str) -> None:
        if not self._is(sign):
            found = self._next
            there = "the end" if found.kind == "end" else repr(found.value)
            raise ExpressionError(f"{sign!r} must stand where {there} stands", found.position)
        self._at += 1

    def end(self) -> None:
        if self._next.kind != "end":
            raise ExpressionError(f"{self._next.value!r} cannot stand here", self._next.position)

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError("the expression is too deep", self._next.position)
        found = self._level(0)
        if self._is("?"):
            position = self._take().position
            chosen = self._level(0)
            self._want(":")
            found = Call("_?_:_", (found, chosen, self.expression()), None, position)
        self._depth -= 1
        return found

    def _level(self, number: int) -> Node:
        if number == len(_LEVELS):
            return self._unary()
        found = self._level(number + 1)
        while self._is(*_LEVELS[number]):
            sign = self._take()
            name = "@in" if sign.value == "in" else f"_{sign.value}_"
            found = Call(name, (found, self._level(number + 1)), None, sign.position)
        return found

    def _unary(self) -> Node:
        signs = []
        while self._is("!", "-"):
            signs.append(self._take())
        if len(signs) > DEEPEST:
            raise ExpressionError("the expression is too deep", signs[0].position)
        if signs and signs[-1].value == "-" and self._next.kind in ("int", "double"):
            sign, token = signs.pop(), self._take()
            found: Node = Literal(-token.value, _TYPES[token.kind], sign.position)  # type: ignore[operator]
            found = self._members(found)
        else:
            found = self._members(self._primary())
        for sign in reversed(signs):
            found = Call(f"{sign.value}_", (found,), None, sign.position)
        return found

    def _members(self, found: Node) -> Node:
        while True:
            position = self._next.position
            if self._is("."):
                self._at += 1
                name = self._word()
                found = (
                    Call(name, self._list("(", ")"), found, position)
                    if self._is("(")
                    else Select(found, name, position)
                )
            elif self._is("{") and (path := _path(found)):
                found = self._message(path, position)
            elif self._is("["):
                self._at += 1
                found = Call("_[_]", (found, self.expression()), None, position)
                self._want("]")
            else:
                return found

    def _word(self) -> str:
        token = self._take()
        if token.kind != "word":
            raise ExpressionError("a name must stand behind a dot", token.position)
        return str(token.value)

    def _primary(self) -> Node:
        token = self._take()
        if token.kind in _TYPES:
            return Literal(token.value, _TYPES[token.kind], token.position)
        if token.kind == "word" and token.value in _WORDS:
            return _WORDS[str(token.value)]
        if token.kind == "word" and token.value != "in":
            if self._is("("):
                return Call(str(token.value), self._list("(", ")"), None, token.position)
            return Name(str(token.value), token.position)
        if token.value == "(":
            found = self.expression()
            self._want(")")
            return found
        self._at -= 1
        if token.value == "[":
            return ListOf(self._list("[", "]"), token.position)
        if token.value == "{":
            return MapOf(self._list("{", "}", self._entry), token.position)  # type: ignore[arg-type]
        there = "the end" if token.kind == "end" else repr(token.value)
        raise ExpressionError(f"a value must stand where {there} stands", token.position)

    def _message(self, path: str, position: int) -> Node:
        """What is built of a message; of those that there are each has the one field `value`."""
        self._at += 1
        operand: Node | None = None
        if self._is("value"):
            self._at += 1
            self._want(":")
            operand = self.expression()
        self._want("}")
        return Wrapped(path, operand, position)

    def _entry(self) -> tuple[Node, Node]:
        key = self.expression()
        self._want(":")
        return key, self.expression()

    def _list(self, opening: str, closing: str, item: Callable[[], object] | None = None) -> tuple[Node, ...]:
        """What stands between the signs, with commas."""
        self._want(opening)
        found: list[object] = []
        while not self._is(closing):
            if found:
                self._want(",")
            found.append((item or self.expression)())
        self._at += 1
        return tuple(found)  # type: ignore[arg-type]


def _path(node: Node) -> str:
    """`a.b.c`, where the node is nothing but words; else empty."""
    words: list[str] = []
    while isinstance(node, Select):
        words.append(node.field)
        node = node.operand
    return ".".join([node.name, *reversed(words)]) if isinstance(node, Name) else ""
