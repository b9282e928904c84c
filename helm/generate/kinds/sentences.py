"""The sentences that an expression may give, with `…` where the object at hand is spoken of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from helm.generate.kinds.code import Function, Module

OPEN = "…"
_DEPTH = 6


def sentences(expression: ast.expr, at: Function, depth: int = 0) -> Iterator[str]:
    """All that a rule may say; an empty text is none."""
    if isinstance(expression, ast.Constant):
        if isinstance(expression.value, str) and expression.value:
            yield expression.value
    elif isinstance(expression, ast.JoinedStr):
        yield "".join(_piece(each, at.module) for each in expression.values)
    elif isinstance(expression, ast.IfExp):
        yield from sentences(expression.body, at, depth)
        yield from sentences(expression.orelse, at, depth)
    elif isinstance(expression, ast.BoolOp):
        for each in expression.values:
            yield from sentences(each, at, depth)
    elif isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add):
        yield from _added(expression, at, depth)
    elif isinstance(expression, ast.Call):
        yield from _called(expression, at, depth)
    elif isinstance(expression, ast.Name):
        yield from _named(expression.id, at, depth)


def _piece(piece: ast.expr, module: Module) -> str:
    if isinstance(piece, ast.Constant):
        return str(piece.value)
    inner = piece.value if isinstance(piece, ast.FormattedValue) else piece
    return constant(inner, module) or OPEN


def constant(expression: ast.expr, module: Module) -> str:
    """A number or text that stands in the code, or ""."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, int | str):
        return str(expression.value)
    if isinstance(expression, ast.Name):
        found = module.find(expression.id)
    elif isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        home = module.find(expression.value.id)
        found = home.find(expression.attr) if isinstance(home, Module) else None
    else:
        return ""
    return constant(found[1], found[0]) if isinstance(found, tuple) else ""


def _added(expression: ast.BinOp, at: Function, depth: int) -> Iterator[str]:
    for left in list(sentences(expression.left, at, depth)) or [OPEN]:
        for right in list(sentences(expression.right, at, depth)) or [OPEN]:
            yield left + right


def _called(call: ast.Call, at: Function, depth: int) -> Iterator[str]:
    """Of `next(... for ...)` what it goes through; of a rule what it returns."""
    if isinstance(call.func, ast.Name) and call.func.id == "next" and isinstance(call.args[0], ast.GeneratorExp):
        yield from sentences(call.args[0].elt, at, depth)
        return
    if function := function_named(call.func, at.module):
        yield from returned(function, depth + 1)


def function_named(name: ast.expr, module: Module) -> Function | None:
    """The function that `f` or `module.f` is."""
    found = None
    if isinstance(name, ast.Name):
        found = module.find(name.id)
    elif isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
        home = module.find(name.value.id)
        found = home.find(name.attr) if isinstance(home, Module) else None
    elif isinstance(name, ast.Lambda):
        found = Function(module, name)
    return found if isinstance(found, Function) else None


def returned(function: Function, depth: int = 0) -> Iterator[str]:
    """What a function may return, of one that gives sentences."""
    if depth > _DEPTH:
        return
    if isinstance(function.node, ast.Lambda):
        yield from sentences(function.node.body, function, depth)
        return
    for node in ast.walk(function.node):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from sentences(node.value, function, depth)


def _named(name: str, at: Function, depth: int) -> Iterator[str]:
    """A variable: what it is given anywhere in the function; or a constant."""
    given = list(_assigned(name, at.node))
    for value in given:
        if not (isinstance(value, ast.Name) and value.id == name):
            yield from sentences(value, at, depth)
    found = at.module.find(name) if not given else None
    if isinstance(found, tuple):
        yield from sentences(found[1], Function(found[0], at.node), depth)


def _assigned(name: str, where: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(where):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.NamedExpr) else []
        )
        if isinstance(node, ast.Assign | ast.NamedExpr) and name in (getattr(each, "id", "") for each in targets):
            yield node.value


def tidy(sentence: str) -> str:
    """One line, and one mark for several unknowns beside each other."""
    plain = " ".join(sentence.split())
    return re.sub(r"(?:…[ ,]*)+…", OPEN, plain).replace("'…'", OPEN)
