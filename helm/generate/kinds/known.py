"""What is known of an expression in a rule, without running it: where a report stands, which words it may be."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from itertools import product

from helm.generate.kinds.code import Function, Module
from helm.generate.kinds.sentences import OPEN, constant, function_named


@dataclass(frozen=True)
class Place:
    """Where a report stands: one of these paths."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """One of these texts."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Many:
    """Rows of literal values, which a loop goes through."""

    rows: tuple[tuple[ast.expr, ...], ...]
    module: Module = field(compare=False)


Known = Place | Words | Many | Function | None
Names = dict[str, Known]


def value_of(node: ast.expr, at: Function, names: Names) -> Known:
    """What is known of an expression."""
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Words((node.value,))
    if isinstance(node, ast.IfExp):
        both = [value_of(each, at, names) for each in (node.body, node.orelse)]
        words = [word for each in both if isinstance(each, Words) for word in each.words]
        return Words(tuple(dict.fromkeys(words))) if words else both[0]
    if isinstance(node, ast.Call):
        return _made(node, at, names)
    if isinstance(node, ast.Attribute) and node.attr == "path":
        return value_of(node.value, at, names)
    if isinstance(node, ast.Tuple | ast.List):
        return _many(node, at.module)
    if isinstance(node, ast.Lambda) or function_named(node, at.module):
        return function_named(node, at.module)
    if isinstance(node, ast.Name) and isinstance(found := at.module.find(node.id), tuple):
        return value_of(found[1], Function(found[0], at.node), {})
    if text := constant(node, at.module):
        return Words((text,))
    return _many(node, at.module) if isinstance(node, ast.Dict) else None


def _many(node: ast.expr, module: Module) -> Many:
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return Many(tuple((key, value) for key, value in pairs if key is not None), module)
    assert isinstance(node, ast.Tuple | ast.List)
    return Many(tuple(tuple(each.elts) if isinstance(each, ast.Tuple) else (each,) for each in node.elts), module)


def _made(call: ast.Call, at: Function, names: Names) -> Known:
    """A report further down, or a table whose rows are gone through."""
    if not isinstance(call.func, ast.Attribute):
        return value_of(call.args[0], at, names) if call.args and _is(call.func, "sorted", "Report") else None
    before = value_of(call.func.value, at, names)
    if isinstance(before, Place) and call.func.attr in ("at", "each"):
        words = value_of(call.args[0], at, names)
        ends = words.words if isinstance(words, Words) else (OPEN,)
        item = "" if len(call.args) < 2 and call.func.attr == "at" else _item(call)
        return Place(tuple(dict.fromkeys(_joined(path, end, item) for path, end in product(before.paths, ends))))
    return before if isinstance(before, Many) and call.func.attr in ("items", "values", "keys") else None


def _is(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _item(call: ast.Call) -> str:
    """`[]` of a list, `.*` of a map."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "each":
        return "[]"
    last = call.args[1]
    if isinstance(last, ast.Constant):
        return "[]" if isinstance(last.value, int) else f".{last.value}"
    return "[]" if _is(last, "index") else ".*"


def _joined(path: str, end: str, item: str) -> str:
    return f"{path}.{end}{item}" if end else f"{path}{item}"


def bind(target: ast.expr, source: ast.expr, at: Function, names: Names) -> None:
    """What a loop's variables may be."""
    found = value_of(source, at, names)
    targets = list(target.elts) if isinstance(target, ast.Tuple) else [target]
    for position, each in enumerate(targets):
        if not isinstance(each, ast.Name):
            continue
        if isinstance(found, Place):
            names[each.id] = found if position == 0 else None
        elif isinstance(found, Many):
            names[each.id] = _column(found, position, at)
        else:
            names[each.id] = None


def _column(rows: Many, position: int, at: Function) -> Known:
    values = [row[position] for row in rows.rows if len(row) > position]
    found = [value_of(each, Function(rows.module, at.node), {}) for each in values]
    words = [word for each in found if isinstance(each, Words) for word in each.words]
    if words:
        return Words(tuple(words))
    return next((each for each in found if isinstance(each, Function)), None)


def assign(target: ast.expr, value: ast.expr, at: Function, names: Names) -> None:
    if isinstance(target, ast.Name):
        names[target.id] = value_of(value, at, names)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, of in zip(target.elts, value.elts, strict=True):
            assign(each, of, at, names)
