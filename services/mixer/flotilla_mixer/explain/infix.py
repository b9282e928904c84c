"""Expressions as people write them, of their trees."""

from __future__ import annotations

from flotilla_shared.model.expressions import Call, Constant, Expression, Variable

_OPERATORS = {
    "LOR": ("||", 1),
    "LAND": ("&&", 2),
    "EQ": ("==", 3),
    "NEQ": ("!=", 3),
    "LT": ("<", 3),
    "LEQ": ("<=", 3),
    "GT": (">", 3),
    "GEQ": (">=", 3),
    "ADD": ("+", 4),
    "OR": ("|", 4),
}


def written(tree: Expression) -> str:
    """The text, with no more parentheses than are needed. Trees are bounded in height, so it may recurse."""
    return _written(tree, 0)


def _written(tree: Expression, around: int) -> str:
    """`around` is how tightly what stands around it binds."""
    if isinstance(tree, Constant):
        return tree.text
    if isinstance(tree, Variable):
        return tree.name
    operands = len(tree.arguments) if tree.target is None else 0
    if tree.name in _OPERATORS and operands == 2:
        sign, level = _OPERATORS[tree.name]
        left, right = tree.arguments
        text = f"{_written(left, level)} {sign} {_written(right, level + 1)}"
        # Where it is nothing but a fallback people write parentheses, needed or not: it binds as + does.
        return f"({text})" if level < around or (around and tree.name == "OR") else text
    if tree.name == "INDEX" and operands == 2:
        return f"{_operand(tree.arguments[0])}[{_written(tree.arguments[1], 0)}]"
    arguments = ", ".join(_written(each, 0) for each in tree.arguments)
    return f"{'' if tree.target is None else _operand(tree.target) + '.'}{tree.name}({arguments})"


def _operand(tree: Expression) -> str:
    """What an index or a method stands behind."""
    text = _written(tree, 0)
    is_operator = isinstance(tree, Call) and (tree.name in _OPERATORS or tree.name == "INDEX")
    return f"({text})" if is_operator else text
