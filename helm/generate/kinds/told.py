"""What the rules of a kind tell, read off their code: field, sentence, code, and whether it is an error.

A function of rules is followed with what is known of its arguments: where a report stands, which words a loop goes through.
What is not known at all is left out of a path.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from helm.generate.kinds.code import Function, Module
from helm.generate.kinds.sentences import OPEN, function_named, known, returned, sentences, tidy


class Told(NamedTuple):
    field: str
    severity: str
    code: str
    text: str


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


def told(function: Function, path: str = "spec") -> list[Told]:
    """All that a kind's rules may tell, in the order of their code, each once."""
    names: Names = dict.fromkeys(function.parameters)
    names[function.parameters[1]] = Place((path,))
    return list(dict.fromkeys(_Walk().function(function, names)))


class _Walk:
    """One walk through the code. `seen`: what has been followed, with what."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, Any]] = set()

    def function(self, function: Function, names: Names) -> Iterator[Told]:
        key = (
            id(function.node),
            tuple(sorted((name, value) for name, value in names.items() if isinstance(value, Place))),
        )
        if key in self.seen:
            return
        self.seen.add(key)
        body = [function.node.body] if isinstance(function.node, ast.Lambda) else function.node.body
        yield from self.block(body, function, dict(names))

    def block(self, nodes: Any, at: Function, names: Names) -> Iterator[Told]:
        for node in nodes:
            if isinstance(node, ast.For):
                yield from self.expressions(node.iter, at, names)
                _bind(node.target, node.iter, at, names)
                yield from self.block([*node.body, *node.orelse], at, names)
            elif isinstance(node, ast.Assign):
                yield from self.expressions(node.value, at, names)
                for target in node.targets:
                    _assign(target, node.value, at, names)
            elif isinstance(node, ast.If | ast.While):
                yield from self.expressions(node.test, at, names)
                yield from self.block([*node.body, *node.orelse], at, names)
            elif isinstance(node, ast.Try):
                handlers = [each for handler in node.handlers for each in handler.body]
                yield from self.block([*node.body, *handlers, *node.orelse, *node.finalbody], at, names)
            else:
                yield from self.expressions(node, at, names)

    def expressions(self, node: ast.AST, at: Function, names: Names) -> Iterator[Told]:
        for each in ast.walk(node):
            if isinstance(each, ast.Call):
                yield from self.call(each, at, names)

    def call(self, call: ast.Call, at: Function, names: Names) -> Iterator[Told]:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _SAYS:
            place = value_of(call.func.value, at, names)
            if isinstance(place, Place):
                yield from _SAYS[call.func.attr](call, place, at, names)
                return
        for function in _functions(call.func, at, names):
            inner = _arguments(call, function, at, names)
            if any(isinstance(value, Place) for value in inner.values()):
                yield from self.function(function, inner)


def _functions(name: ast.expr, at: Function, names: Names) -> Iterator[Function]:
    """What may be called: a function, one that a variable holds, or those of a table."""
    held = names.get(name.id) if isinstance(name, ast.Name) else None
    if isinstance(held, Function):
        yield held
    elif found := function_named(name, at.module):
        yield found
    elif isinstance(name, ast.Subscript) and isinstance(name.value, ast.Name):
        table = at.module.find(name.value.id)
        if isinstance(table, tuple) and isinstance(table[1], ast.Dict):
            for value in table[1].values:
                if found := function_named(value, table[0]):
                    yield found


def _arguments(call: ast.Call, function: Function, at: Function, names: Names) -> Names:
    inner: Names = dict.fromkeys(function.parameters)
    given = [*zip(function.parameters, call.args, strict=False), *((each.arg, each.value) for each in call.keywords)]
    for name, value in given:
        if name is not None:
            inner[name] = value_of(value, at, names)
    return inner


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
    if text := known(node, at.module):
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


def _bind(target: ast.expr, source: ast.expr, at: Function, names: Names) -> None:
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


def _assign(target: ast.expr, value: ast.expr, at: Function, names: Names) -> None:
    if isinstance(target, ast.Name):
        names[target.id] = value_of(value, at, names)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, of in zip(target.elts, value.elts, strict=True):
            _assign(each, of, at, names)


def _wrong(call: ast.Call, place: Place, at: Function, names: Names) -> Iterator[Told]:
    severity = "warning" if isinstance(call.func, ast.Attribute) and call.func.attr == "warn" else "error"
    codes = value_of(call.args[1], at, names) if len(call.args) > 1 else Words(("invalid",))
    code = codes.words[0] if isinstance(codes, Words) else "invalid"
    for each in call.keywords:
        if each.arg == "severity" and isinstance(each.value, ast.Constant):
            severity = str(each.value.value)
    for path in place.paths:
        for text in sentences(call.args[0], at):
            if " " in text:
                yield Told(path, severity, code, tidy(text))


def _check(call: ast.Call, place: Place, at: Function, names: Names) -> Iterator[Told]:
    fields = value_of(call.args[1], at, names)
    for path, name in product(place.paths, fields.words if isinstance(fields, Words) else (OPEN,)):
        for function in _functions(call.args[0], at, names):
            for text in returned(function):
                yield Told(f"{path}.{name}" if name else path, "error", "invalid", tidy(text))


_SAYS: Mapping[str, Any] = {"wrong": _wrong, "warn": _wrong, "check": _check}
