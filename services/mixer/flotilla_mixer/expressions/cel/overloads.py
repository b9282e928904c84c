"""Which functions and operators there are for which types, and what Python does for them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from flotilla_mixer.expressions.cel import functions, types
from flotilla_mixer.expressions.cel.coded import Coded
from flotilla_mixer.expressions.cel.tree import Call
from flotilla_shared.model.expressions import ExpressionError

Make = Callable[..., ast.expr]
Overload = tuple[tuple[str, ...], str, Make, bool]
"""Types of the arguments (the target first), type of the result, how it is made, whether it can fail."""


def no_overload(name: str, kinds: Sequence[str], position: int | None) -> ExpressionError:
    return ExpressionError(f"found no matching overload for '{name}' applied to '({', '.join(kinds)})'", position)


def resolve(node: Call, given: Sequence[Coded]) -> Coded:
    """What a call codes to; `given` are its coded arguments, the target first. Raises ExpressionError."""
    kinds = [each.type for each in given]
    found = _operator(node.function, kinds) or _function(node, kinds)
    if found is None:
        if node.function not in FUNCTIONS and not node.function.startswith(("_", "@", "!", "-")):
            raise ExpressionError(f"undeclared reference to '{node.function}'", node.position)
        raise no_overload(node.function, kinds, node.position)
    _, result, make, fails = found
    lazy = node.function in LOGICAL
    if lazy and not given[0].fails:
        operator: ast.boolop = ast.Or() if node.function == "_||_" else ast.And()
        coded: ast.expr = ast.BoolOp(operator, [each.node for each in given])
    else:
        coded = make(*(each.node for each in given))
    return Coded(coded, result, fails or any(each.fails for each in given))


def _operator(name: str, kinds: Sequence[str]) -> Overload | None:
    if name in LOGICAL and all(types.fits(each, types.BOOL) for each in kinds):
        return (types.BOOL, types.BOOL), types.BOOL, LOGICAL[name], False
    if name in ("_==_", "_!=_") and types.fits(*kinds):
        return tuple(kinds), types.BOOL, _equality(name, kinds), kinds[0] in EQUAL_BY
    if name in COMPARED and types.fits(*kinds) and set(kinds) <= types.ORDERED:
        return tuple(kinds), types.BOOL, _comparison(COMPARED[name]), False
    if name == "@in":
        return _membership(kinds)
    return _first(OPERATORS.get(name, ()), kinds)


def _function(node: Call, kinds: Sequence[str]) -> Overload | None:
    known = FUNCTIONS.get(node.function)
    if known is None:
        return None
    as_method, as_function, found = known
    if not (as_method if node.target is not None else as_function):
        return None
    return _first(found, kinds)


def _first(known: Sequence[Overload], kinds: Sequence[str]) -> Overload | None:
    for each in known:
        if len(each[0]) == len(kinds) and all(_takes(*pair) for pair in zip(each[0], kinds, strict=True)):
            return each
    return None


def _takes(declared: str, kind: str) -> bool:
    if declared in ("list", "map"):
        return kind.startswith(f"{declared}(") or kind == types.DYN
    return types.fits(declared, kind)


def _membership(kinds: Sequence[str]) -> Overload | None:
    one, whole = kinds
    item, entry = types.item_type(whole), types.entry_types(whole)
    if item is not None and types.fits(one, item):
        return tuple(kinds), types.BOOL, lambda value, items: ast.Compare(value, [ast.In()], [items]), False
    if entry is not None and types.fits(one, entry[0]):
        return tuple(kinds), types.BOOL, lambda key, entries: call("cel_has_key", entries, key), False
    return None


def call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def by(function: str) -> Make:
    return lambda *arguments: call(function, *arguments)


def method(name: str) -> Make:
    return lambda target, *arguments: ast.Call(ast.Attribute(target, name, ast.Load()), list(arguments), [])


def _binary(operator: ast.operator, around: str = "") -> Make:
    def make(left: ast.expr, right: ast.expr) -> ast.expr:
        total = ast.BinOp(left, operator, right)
        return call(around, total) if around else total

    return make


def _comparison(operator: ast.cmpop) -> Make:
    return lambda left, right: ast.Compare(left, [operator], [right])


def _equality(name: str, kinds: Sequence[str]) -> Make:
    own = EQUAL_BY.get(kinds[0])

    def make(left: ast.expr, right: ast.expr) -> ast.expr:
        if own is None:
            return ast.Compare(left, [ast.Eq() if name == "_==_" else ast.NotEq()], [right])
        same = call(own, left, right)
        return same if name == "_==_" else ast.UnaryOp(ast.Not(), same)

    return make


def _lazily(function: str) -> Make:
    """Each operand as a function of its own, so that one may fail."""

    def delayed(node: ast.expr) -> ast.expr:
        none = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return ast.Lambda(none, node)

    return lambda left, right: call(function, delayed(left), delayed(right))


def _part(name: str, function: str) -> Make:
    return lambda moment, *zone: call(function, ast.Constant(name), moment, *zone)


_B, _I, _U, _D, _S = types.BOOL, types.INT, types.UINT, types.DOUBLE, types.STRING
_T, _L, _Y = types.TIMESTAMP, types.DURATION, types.BYTES
EQUAL_BY = {
    types.IP: "cel_ip_equal",
    types.DNS: "cel_same_dns",
    types.EMAIL: "cel_email_equal",
    types.STRING_MAP: "cel_unequal",
    types.URI: "cel_same_uri",
}
LOGICAL: dict[str, Make] = {"_&&_": _lazily("cel_both"), "_||_": _lazily("cel_either")}
COMPARED: dict[str, ast.cmpop] = {"_<_": ast.Lt(), "_<=_": ast.LtE(), "_>_": ast.Gt(), "_>=_": ast.GtE()}
OPERATORS: dict[str, tuple[Overload, ...]] = {
    "!_": (((_B,), _B, lambda value: ast.UnaryOp(ast.Not(), value), False),),
    "-_": (
        ((_I,), _I, lambda value: call("cel_wrapped", ast.UnaryOp(ast.USub(), value)), False),
        ((_D,), _D, lambda value: ast.UnaryOp(ast.USub(), value), False),
    ),
    "_+_": (
        ((_I, _I), _I, _binary(ast.Add(), "cel_wrapped"), False),
        ((_S, _S), _S, _binary(ast.Add()), False),
        ((_D, _D), _D, _binary(ast.Add()), False),
        ((_U, _U), _U, _binary(ast.Add()), False),
        ((_Y, _Y), _Y, _binary(ast.Add()), False),
        ((_T, _L), _T, by("cel_later"), False),
        ((_L, _T), _T, by("cel_later"), False),
        ((_L, _L), _L, _binary(ast.Add(), "cel_span"), False),
    ),
    "_-_": (
        ((_I, _I), _I, _binary(ast.Sub(), "cel_wrapped"), False),
        ((_D, _D), _D, _binary(ast.Sub()), False),
        ((_U, _U), _U, _binary(ast.Sub(), "cel_unsigned"), True),
        ((_T, _T), _L, _binary(ast.Sub(), "cel_span"), False),
        ((_T, _L), _T, lambda moment, span: call("cel_later", moment, ast.UnaryOp(ast.USub(), span)), False),
        ((_L, _L), _L, _binary(ast.Sub(), "cel_span"), False),
    ),
    "_*_": (
        ((_I, _I), _I, _binary(ast.Mult(), "cel_wrapped"), False),
        ((_D, _D), _D, _binary(ast.Mult()), False),
        ((_U, _U), _U, _binary(ast.Mult()), False),
    ),
    "_/_": (
        ((_I, _I), _I, by("cel_divided"), True),
        ((_U, _U), _U, by("cel_divided"), True),
        ((_D, _D), _D, by("cel_quotient"), False),
    ),
    "_%_": (((_I, _I), _I, by("cel_remainder"), True), ((_U, _U), _U, by("cel_remainder"), True)),
}
# Name -> whether it is called on something, whether it is called by itself, and for which types.
FUNCTIONS: dict[str, tuple[bool, bool, tuple[Overload, ...]]] = {
    "size": (
        True,
        True,
        (
            ((types.STRING_MAP,), _I, lambda entries: call("cel_unsized"), True),
            *(((kind,), _I, by("len"), False) for kind in (_S, _Y, "list", "map")),
        ),
    ),
    "contains": (True, False, (((_S, _S), _B, lambda text, part: ast.Compare(part, [ast.In()], [text]), False),)),
    "startsWith": (True, False, (((_S, _S), _B, method("startswith"), False),)),
    "endsWith": (True, False, (((_S, _S), _B, method("endswith"), False),)),
    "matches": (True, True, (((_S, _S), _B, lambda text, pattern: call("cel_matches", pattern, text), True),)),
    "match": (False, True, (((_S, _S), _B, by("cel_match"), False),)),
    "reverse": (True, True, (((_S,), _S, by("cel_reversed_text"), False),)),
    "toLower": (True, True, (((_S,), _S, by("cel_lower"), False),)),
    "ip": (False, True, (((_S,), types.IP, by("cel_ip"), True),)),
    "timestamp": (False, True, (((_S,), _T, by("cel_timestamp"), True),)),
    "duration": (False, True, (((_S,), _L, by("cel_duration"), True),)),
    "dnsName": (False, True, (((_S,), types.DNS, by("cel_dns_name"), True),)),
    "email": (False, True, (((_S,), types.EMAIL, by("cel_email"), True),)),
    "uri": (False, True, (((_S,), types.URI, by("cel_uri"), True),)),
    "emptyStringMap": (False, True, (((), types.STRING_MAP, lambda: ast.Dict([], []), False),)),
    "int": (False, True, tuple(((kind,), _I, by("cel_whole"), True) for kind in (_I, _U, _D, _S, _T))),
    "uint": (False, True, tuple(((kind,), _U, by("cel_unsigned"), True) for kind in (_I, _U, _D, _S))),
    "double": (False, True, tuple(((kind,), _D, by("cel_real"), True) for kind in (_I, _U, _D, _S))),
    "string": (False, True, tuple(((kind,), _S, by("cel_text_of"), True) for kind in (_S, _I, _U, _D, _Y))),
    "bytes": (False, True, (((_S,), _Y, method("encode"), False), ((_Y,), _Y, lambda value: value, False))),
    "dyn": (False, True, (((types.DYN,), types.DYN, lambda value: value, False),)),
    **{
        name: (
            True,
            False,
            (
                ((_T,), _I, _part(name, "cel_part_of"), True),
                ((_T, _S), _I, _part(name, "cel_part_of"), True),
                *((((_L,), _I, _part(name, "cel_units_of"), False),) if name in functions.UNITS else ()),
            ),
        )
        for name in functions.PARTS
    },
}
