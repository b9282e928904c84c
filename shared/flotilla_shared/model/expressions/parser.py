"""From text to a tree, by precedence climbing (the grammar: mixer.md 3.1)."""

from __future__ import annotations

from flotilla_shared.model.expressions.errors import ExpressionError
from flotilla_shared.model.expressions.literals import parse_duration, parse_whole, unquote
from flotilla_shared.model.expressions.tokens import KEYWORDS, Token, tokens_of
from flotilla_shared.model.expressions.tree import Call, Constant, Expression, Variable
from flotilla_shared.model.expressions.values import ValueType

LONGEST = 16 * 1024
DEEPEST = 64  # of parentheses, arguments and the like
HIGHEST = 4 * DEEPEST  # of the tree: operators in a row and calls behind one another make it high as well

# Go's binary operators with their precedence. Those without a function of the language are refused when checked.
_BINARY = {
    "||": (1, "LOR"),
    "&&": (2, "LAND"),
    "==": (3, "EQ"),
    "!=": (3, "NEQ"),
    "<": (3, "LT"),
    "<=": (3, "LEQ"),
    ">": (3, "GT"),
    ">=": (3, "GEQ"),
    "+": (4, "ADD"),
    "-": (4, "SUB"),
    "|": (4, "OR"),
    "^": (4, "XOR"),
    "*": (5, "MUL"),
    "/": (5, "QUO"),
    "%": (5, "REM"),
    "<<": (5, "SHL"),
    ">>": (5, "SHR"),
    "&": (5, "AND"),
    "&^": (5, "AND_NOT"),
}
_UNARY = {"!": "NOT", "-": "SUB", "+": "ADD", "^": "XOR", "&": "AND"}


def parse(text: str) -> Expression:
    """The tree of an expression. Raises ExpressionError, which says where it goes wrong."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; the most is {LONGEST}")
    found = _Parser(tokens_of(text)).whole()
    _check_height(found)
    return found


def _check_height(tree: Expression) -> None:
    """So that whoever walks the tree may do so by recursion."""
    level: list[Expression] = [tree]
    for _ in range(HIGHEST + 1):
        level = [part for each in level if isinstance(each, Call) for part in each.parts]
        if not level:
            return
    raise ExpressionError(f"more than {HIGHEST} operators and calls stand within one another", level[0].position)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._binary(1)
        if self._next.kind != "end":
            raise self._unexpected("the end")
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _takes(self, operator: str) -> bool:
        """Whether the next token is this operator, which is then taken."""
        if self._next.kind == "operator" and self._next.text == operator:
            self._place += 1
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._takes(operator):
            raise self._unexpected(repr(operator))

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._next
        seen = repr(token.text) if token.text else "the end"
        return ExpressionError(f"expected {wanted}, found {seen}", token.position)

    def _binary(self, lowest: int) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"the expression is nested more than {DEEPEST} deep", self._next.position)
        left = self._unary()
        length = 0
        while self._next.kind == "operator" and (found := _BINARY.get(self._next.text)) and found[0] >= lowest:
            length += 1
            if length > HIGHEST:
                raise ExpressionError(f"more than {HIGHEST} operators stand in a row", self._next.position)
            operator = self._take()
            left = Call(found[1], (left, self._binary(found[0] + 1)), None, operator.position)
        self._depth -= 1
        return left

    def _unary(self) -> Expression:
        if self._next.kind == "operator" and self._next.text in _UNARY:
            operator = self._take()
            self._depth += 1
            if self._depth > DEEPEST:
                raise ExpressionError(f"the expression is nested more than {DEEPEST} deep", operator.position)
            found = Call(_UNARY[operator.text], (self._unary(),), None, operator.position)
            self._depth -= 1
            return found
        return self._postfix()

    def _postfix(self) -> Expression:
        """An operand with the calls, fields and indices behind it."""
        token = self._next
        if token.kind == "name":
            found, callable_ = self._path(), True
        elif self._takes("("):
            found, callable_ = self._binary(1), True
            self._expect(")")
        else:
            found, callable_ = self._literal(), True
        while True:
            if self._takes("["):
                index = self._binary(1)
                self._expect("]")
                found, callable_ = Call("INDEX", (found, index), None, token.position), False
            elif self._next.kind == "operator" and self._next.text == ".":
                found = self._method(found, callable_)
                callable_ = True
            else:
                return found

    def _path(self) -> Expression:
        """Names joined by dots: an attribute, a function or a method of an attribute."""
        first = self._name()
        names = [first.text]
        while self._takes("."):
            names.append(self._name().text)
        if not self._takes("("):
            if len(names) == 1 and first.text.lower() in ("true", "false"):
                return Constant(first.text.lower() == "true", ValueType.BOOL, first.text.lower(), first.position)
            return Variable(".".join(names), first.position)
        arguments = self._arguments()
        target = Variable(".".join(names[:-1]), first.position) if len(names) > 1 else None
        return Call(names[-1], arguments, target, first.position)

    def _method(self, target: Expression, callable_: bool) -> Expression:
        """`.name(...)` behind something that is no attribute path."""
        dot = self._take()
        name = self._name()
        if not callable_:
            text = "a method of an element needs parentheses around the element, as in (a[b]).f(c)"
            raise ExpressionError(text, dot.position)
        self._expect("(")
        return Call(name.text, self._arguments(), target, name.position)

    def _arguments(self) -> tuple[Expression, ...]:
        """What stands before the closing parenthesis, which is taken."""
        found: list[Expression] = []
        while not self._takes(")"):
            found.append(self._binary(1))
            if not self._takes(","):
                self._expect(")")
                break
        return tuple(found)

    def _name(self) -> Token:
        token = self._next
        if token.kind != "name" or token.text in KEYWORDS:
            raise self._unexpected("a name")
        return self._take()

    def _literal(self) -> Expression:
        token = self._next
        if token.kind == "int":
            self._take()
            return Constant(_whole(token), ValueType.INT64, token.text, token.position)
        if token.kind == "float":
            self._take()
            return Constant(_real(token), ValueType.DOUBLE, token.text, token.position)
        if token.kind == "text":
            self._take()
            return _text(token)
        raise self._unexpected("an attribute, a value or a function")


def _whole(token: Token) -> int:
    if not token.text.isdecimal() or (token.text.startswith("0") and not {*token.text}.isdisjoint("89")):
        raise ExpressionError(f"{token.text} is no decimal number", token.position)
    found = parse_whole(token.text)
    if found is None:
        raise ExpressionError(f"{token.text} is out of the range of INT64", token.position)
    return found


def _real(token: Token) -> float:
    digits = token.text.replace("_", "")
    try:
        value = float.fromhex(digits) if digits[:2] in ("0x", "0X") else float(digits)
    except OverflowError:
        value = float("inf")
    if value == float("inf"):
        raise ExpressionError(f"{token.text} is out of the range of DOUBLE", token.position)
    return value


def _text(token: Token) -> Constant:
    """A text; one that reads as a duration is a duration (mixer.md 3.1)."""
    value = unquote(token.text, token.position)
    span = parse_duration(value)
    if span is not None:
        return Constant(span, ValueType.DURATION, token.text, token.position)
    return Constant(value, ValueType.STRING, token.text, token.position)
