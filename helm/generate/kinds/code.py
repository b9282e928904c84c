"""Galley's rules as syntax trees: where a name of one module leads."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from inspect import getmodule
from pathlib import Path
from typing import Any

ROOM = "flotilla_galley.validation"


@dataclass(frozen=True)
class Function:
    """A function of a module, or a lambda in one."""

    module: Module
    node: ast.FunctionDef | ast.Lambda

    @property
    def parameters(self) -> list[str]:
        given = self.node.args
        return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


@dataclass(eq=False)
class Module:
    """What a file of rules defines, and what its names of other files are."""

    name: str
    functions: dict[str, Function] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)

    def find(self, name: str) -> Function | tuple[Module, ast.expr] | Module | None:
        """A function, a value with its module, a module of rules; or None of what is no rule."""
        if name in self.functions:
            return self.functions[name]
        if name in self.values:
            return self, self.values[name]
        origin, inner = self.imported.get(name, ("", ""))
        if not origin.startswith(ROOM):
            return None
        if (whole := module_of(f"{origin}.{inner}")) is not None:
            return whole
        found = module_of(origin)
        return found.find(inner) if found is not None else None


@cache
def module_of(name: str) -> Module | None:
    """A module of rules by its full name, or None."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    made = Module(name)
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            made.functions[node.name] = Function(made, node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            made.imported |= {each.asname or each.name: (node.module, each.name) for each in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            made.values[node.targets[0].id] = node.value
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
        ):
            pairs = zip(node.targets[0].elts, node.value.elts, strict=True)
            made.values |= {target.id: value for target, value in pairs if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            made.values[node.target.id] = node.value
    return made


def function_of(rules: Callable[..., Any]) -> Function:
    """The syntax of a function of rules."""
    home = getmodule(rules)
    assert home is not None
    module = module_of(home.__name__)
    assert module is not None
    return module.functions[rules.__name__]
