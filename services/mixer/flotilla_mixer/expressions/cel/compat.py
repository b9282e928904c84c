"""CEXL with CEL's meaning (mode COMPAT): the same text, as CEL's tree.

`a | b` becomes `pick(a, b)`, which only knows of attributes with a dot in their name and of keys of maps whether they are
there: that is how 1.4 had it.
"""

from __future__ import annotations

import re

from flotilla_mixer.expressions.cel.tree import Call, Literal, Name, Node, Select
from flotilla_shared.model import expressions as cexl

TYPES = {
    cexl.ValueType.STRING: "string",
    cexl.ValueType.INT64: "int",
    cexl.ValueType.DOUBLE: "double",
    cexl.ValueType.BOOL: "bool",
    cexl.ValueType.DURATION: "duration",
}
OPERATORS = {
    "EQ": "_==_",
    "NEQ": "_!=_",
    "LT": "_<_",
    "LEQ": "_<=_",
    "GT": "_>_",
    "GEQ": "_>=_",
    "LAND": "_&&_",
    "LOR": "_||_",
    "ADD": "_+_",
    "INDEX": "_[_]",
}


UNARY = {"SUB": "-_", "NOT": "!_"}


def rewrite(tree: cexl.Expression, text: str) -> Node:
    """The tree of CEL of an expression that was read from `text`. Raises ExpressionError for what CEL does not know."""
    written = text[tree.position :]
    if isinstance(tree, cexl.Constant):
        if written.startswith("`"):
            raise cexl.ExpressionError("texts stand in quotes", tree.position)
        return Literal(tree.value, TYPES[tree.type], tree.position)
    if isinstance(tree, cexl.Variable):
        first, *rest = tree.name.split(".")
        found: Node = Name(first, tree.position)
        for word in rest:
            found = Select(found, word, tree.position)
        return found
    if tree.name == "OR":
        return Call("pick", tuple(rewrite(each, text) for each in _alternatives(tree)), None, tree.position)
    if tree.name in OPERATORS and re.match(rf"{tree.name}\s*\(", written):
        raise cexl.ExpressionError(f"undeclared reference to '{tree.name}'", tree.position)
    target = None if tree.target is None else rewrite(tree.target, text)
    arguments = tuple(rewrite(each, text) for each in tree.arguments)
    if len(arguments) == 1 and tree.name in UNARY:
        return Call(UNARY[tree.name], arguments, target, tree.position)
    return Call(OPERATORS.get(tree.name, tree.name), arguments, target, tree.position)


def _alternatives(tree: cexl.Call) -> list[cexl.Expression]:
    """`a`, `b` and `c` of `a | b | c`."""
    left, right = tree.arguments
    before = _alternatives(left) if isinstance(left, cexl.Call) and left.name == "OR" else [left]
    return [*before, right]
