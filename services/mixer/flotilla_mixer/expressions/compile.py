"""From trees to Python functions.

A function is built as Python's own syntax tree, never as text: whatever stands in an expression, it can only become
an operand. `a | b` is an assignment expression over `bag.get`, so nothing is raised where a fallback is given.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any

from flotilla_mixer.expressions import functions
from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.languages import CelExpression, Expression, check
from flotilla_shared.model.expressions import (
    FUNCTIONS,
    Call,
    Constant,
    Duration,
    ExpressionError,
    ValueType,
    Variable,
    parse,
)

__all__ = ["Bag", "EvaluationError", "Function", "RowFunction", "compile_expression", "compile_row"]

Bag = Mapping[str, object]
Function = Callable[[Bag], object]
RowFunction = Callable[[Bag], tuple[Any, ...]]
Vocabulary = Mapping[str, ValueType]

ABSENT = object()


def mistyped(wrong: Exception) -> str:
    """What is said of a value that is not of its attribute's type; what reads bags says it in 1.4's words already."""
    said = str(wrong)
    return said if said.startswith("error converting value to") else f"error converting a value of the bag: {said}"


_COMPARED: dict[str, ast.cmpop] = {
    "EQ": ast.Eq(),
    "NEQ": ast.NotEq(),
    "LT": ast.Lt(),
    "LEQ": ast.LtE(),
    "GT": ast.Gt(),
    "GEQ": ast.GtE(),
}
OPERATORS = frozenset(("LAND", "LOR", "INDEX", "ADD", *_COMPARED))
_EQUAL_BY = {
    ValueType.IP_ADDRESS: "ip_equal",
    ValueType.DNS_NAME: "dns_equal",
    ValueType.EMAIL_ADDRESS: "email_equal",
    ValueType.URI: "uri_equal",
}
_CALLED = (
    {"dnsName": "dns_name"}
    | {
        name: name
        for name in ("ip", "timestamp", "email", "uri", "match", "size", "matches", "ip_equal", "lower", "chosen")
    }
    | {"toLower": "lower", "startsWith": "starts_with", "endsWith": "ends_with"}
)
_RUN_TIME = {name: getattr(functions, name) for name in (*_CALLED.values(), *_EQUAL_BY.values(), "wrapped")}
_RUN_TIME |= {"EvaluationError": EvaluationError, "mistyped": mistyped}


def compile_expression(expression: Expression | str, vocabulary: Vocabulary) -> Function:
    """The function of an expression: of a bag, gives its value or raises EvaluationError.

    Raises ExpressionError when the expression is none or does not fit the vocabulary.
    """
    tree = parse(expression) if isinstance(expression, str) else expression
    check(tree, vocabulary)
    code = _Code(vocabulary)
    found: Function = code.function(code.strict(tree))
    return found


def compile_row(expressions: Sequence[Expression | None], vocabulary: Vocabulary) -> RowFunction:
    """One function for several expressions: of a bag, gives the tuple of their values; None gives None."""
    code = _Code(vocabulary)
    for tree in expressions:
        if tree is not None:
            check(tree, vocabulary)
    values = [ast.Constant(None) if tree is None else code.strict(tree) for tree in expressions]
    row: RowFunction = code.function(_tuple(values))
    return row


def compile_rows(groups: Sequence[Sequence[Expression]], vocabulary: Vocabulary) -> RowFunction:
    """Likewise for groups of expressions: gives a tuple of tuples."""
    code = _Code(vocabulary)
    for tree in (tree for group in groups for tree in group):
        check(tree, vocabulary)
    rows: RowFunction = code.function(_tuple([_tuple([code.strict(tree) for tree in group]) for group in groups]))
    return rows


class _Code:
    """Makes the nodes of one function, over its argument `bag`."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._names: dict[str, object] = {**_RUN_TIME, "ABSENT": ABSENT, "EMPTY_MAP": functions.EMPTY_MAP}
        self._places = 0

    def function(self, body: ast.expr) -> Any:
        """The function whose result is `body`; a missing attribute becomes an EvaluationError."""
        return _make(body, self._names)

    def strict(self, tree: Expression) -> ast.expr:
        """The node of a value that must be there.

        Operators in a row make trees of a height that only functions without detours reach: two calls a level.
        """
        if isinstance(tree, CelExpression):
            return tree.coded(self._vocabulary, self._names).node
        if isinstance(tree, Constant):
            return self._constant(tree.value)
        if isinstance(tree, Variable):
            return ast.Subscript(_name("bag"), ast.Constant(tree.name), ast.Load())
        if tree.name == "OR":
            return self._fallback(tree, self.strict(tree.arguments[1]))
        if tree.name not in OPERATORS:
            return self._call(tree)
        left, right = self.strict(tree.arguments[0]), self.strict(tree.arguments[1])
        return self._operator(tree, left, right)

    def soft(self, tree: Expression) -> ast.expr:
        """The node of a value that may be missing: then it gives ABSENT."""
        if isinstance(tree, Variable):
            return _method(_name("bag"), "get", ast.Constant(tree.name), _name("ABSENT"))
        if isinstance(tree, Call) and tree.name == "OR":
            return self._fallback(tree, self.soft(tree.arguments[1]))
        if isinstance(tree, Call) and tree.name == "INDEX":
            return self._soft_index(tree)
        return self.strict(tree)

    def _fallback(self, tree: Call, otherwise: ast.expr) -> ast.expr:
        """The left side where it is there, or else the other."""
        place = self._place()
        return ast.IfExp(_is_absent(_assigned(place, self.soft(tree.arguments[0]))), otherwise, _name(place))

    def _soft_index(self, tree: Call) -> ast.expr:
        found, key = self._place(), self._place()
        missing = ast.BoolOp(
            ast.Or(),
            [
                _is_absent(_assigned(found, self.soft(tree.arguments[0]))),
                _is_absent(_assigned(key, self.soft(tree.arguments[1]))),
            ],
        )
        return ast.IfExp(missing, _name("ABSENT"), _method(_name(found), "get", _name(key), _name("ABSENT")))

    def _operator(self, tree: Call, left: ast.expr, right: ast.expr) -> ast.expr:
        match tree.name:
            case "LAND":
                return ast.BoolOp(ast.And(), [left, right])
            case "LOR":
                return ast.BoolOp(ast.Or(), [left, right])
            case "INDEX":
                return _method(left, "get", right, ast.Constant(""))
            case "ADD":
                total = ast.BinOp(left, ast.Add(), right)
                is_whole = check(tree.arguments[0], self._vocabulary) is ValueType.INT64
                return _called("wrapped", total) if is_whole else total
        return self._comparison(tree, left, right)

    def _call(self, tree: Call) -> ast.expr:
        arguments = tree.arguments
        if tree.name == "conditional":
            return ast.IfExp(*(self.strict(each) for each in arguments[:3]))
        if tree.name == "size":
            return _called("size", self.strict(arguments[0]))
        taken = self._operands(tree)
        match tree.name:
            case "conditionalString":
                return _called("chosen", *taken)
            case "emptyStringMap":
                return _name("EMPTY_MAP")
            case "startsWith" | "endsWith" if len(tree.arguments) == 1:
                return _method(taken[0], tree.name.lower(), taken[1])
        return _called(_CALLED[tree.name], *taken)

    def _operands(self, tree: Call) -> list[ast.expr]:
        """What a function works on. Of more than it takes 1.4 evaluated all, and it worked on the last; where those
        are of other types, nobody knows what it did, and here it works on the first.
        """
        signature, given = FUNCTIONS[tree.name], tree.parts
        wanted = (*([signature.target] if signature.method else []), *signature.arguments)
        number = len(wanted)
        last = given[len(given) - number :]
        if len(given) == number or [check(each, self._vocabulary) for each in last] != list(wanted):
            return [self.strict(each) for each in given[:number]]
        everything = _tuple([self.strict(each) for each in given])
        return [ast.Starred(ast.Subscript(everything, ast.Slice(ast.Constant(-number)), ast.Load()), ast.Load())]

    def _comparison(self, tree: Call, left: ast.expr, right: ast.expr) -> ast.expr:
        kind = check(tree.arguments[0], self._vocabulary)
        if kind in _EQUAL_BY:
            equal = _called(_EQUAL_BY[kind], left, right)
            return equal if tree.name == "EQ" else ast.UnaryOp(ast.Not(), equal)
        return ast.Compare(left, [_COMPARED[tree.name]], [right])

    def _constant(self, value: object) -> ast.expr:
        if isinstance(value, Duration):
            name = f"constant_{len(self._names)}"
            self._names[name] = value
            return _name(name)
        return ast.Constant(value)  # type: ignore[arg-type]  # literals are text, numbers and booleans

    def _place(self) -> str:
        """A local variable of its own."""
        self._places += 1
        return f"value_{self._places}"


_FUNCTION = """
def evaluate(bag):
    try:
        return ...
    except KeyError as missing:
        raise EvaluationError(f"lookup failed: '{missing.args[0]}'") from None
    except (TypeError, AttributeError, ValueError, RecursionError) as wrong:
        raise EvaluationError(mistyped(wrong)) from None
"""


def _make(body: ast.expr, names: dict[str, object]) -> Function:
    """The function of a bag that gives `body`."""
    module = ast.parse(_FUNCTION)
    tried = module.body[0].body[0]  # type: ignore[attr-defined]  # as it stands above
    tried.body = [ast.Return(body)]
    try:
        code = compile(ast.fix_missing_locations(module), "<expression>", "exec")
    except (RecursionError, MemoryError) as error:
        raise ExpressionError("the expression is too large") from error
    inner = next(each for each in code.co_consts if isinstance(each, CodeType))
    return FunctionType(inner, dict(names))


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _assigned(place: str, value: ast.expr) -> ast.expr:
    return ast.NamedExpr(ast.Name(place, ast.Store()), value)


def _is_absent(value: ast.expr) -> ast.expr:
    return ast.Compare(value, [ast.Is()], [_name("ABSENT")])


def _called(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(_name(function), list(arguments), [])


def _method(target: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(target, name, ast.Load()), list(arguments), [])


def _tuple(values: Sequence[ast.expr]) -> ast.expr:
    return ast.Tuple(list(values), ast.Load())
