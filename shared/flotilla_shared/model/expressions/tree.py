"""Expressions as trees: immutable values. `str` of one is the normal form that errors show, such as EQ($a, 2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from flotilla_shared.model.expressions.values import ValueType


@dataclass(frozen=True, slots=True)
class Constant:
    """A value. `text` is how it was written."""

    value: object
    type: ValueType
    text: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Variable:
    """An attribute, by its whole name."""

    name: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator. `target` is what a method is called on."""

    name: str
    arguments: tuple[Expression, ...] = ()
    target: Expression | None = None
    position: int = field(default=0, compare=False)

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The expressions that it is made of."""
        return self.arguments if self.target is None else (self.target, *self.arguments)

    def __str__(self) -> str:
        head = f"{self.target}:" if self.target is not None else ""
        return f"{head}{self.name}({', '.join(map(str, self.arguments))})"


Expression = Constant | Variable | Call
