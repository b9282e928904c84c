"""What the rules of a kind tell, read off their code: field, sentence, code, and whether it is an error.

A function of rules is followed with what is known of its arguments: where a report stands, which words a loop goes through.
What is not known at all is left out of a path.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from helm.generate.kinds.code import Function
from helm.generate.kinds.known import Names, Place, Words, assign, bind, value_of
from helm.generate.kinds.sentences import OPEN, function_named, returned, sentences, tidy


class Told(NamedTuple):
    field: str
    severity: str
    code: str
    text: str


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
                bind(node.target, node.iter, at, names)
                yield from self.block([*node.body, *node.orelse], at, names)
            elif isinstance(node, ast.Assign):
                yield from self.expressions(node.value, at, names)
                for target in node.targets:
                    assign(target, node.value, at, names)
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
