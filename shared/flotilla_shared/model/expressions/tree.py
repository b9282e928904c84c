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


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or an operator. `target` is what a method is called on.

    A tree may be as high as Python's stack is deep: what everybody does with it, to compare and to show, is done
    without recursion.
    """

    name: str
    arguments: tuple[Expression, ...] = ()
    target: Expression | None = None
    position: int = 0

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The expressions that it is made of."""
        return self.arguments if self.target is None else (self.target, *self.arguments)

    def __eq__(self, other: object) -> bool:
        """The same but for positions."""
        return isinstance(other, Call) and self._shape() == other._shape()

    def __hash__(self) -> int:
        return hash(self._shape())

    def _shape(self) -> tuple[object, ...]:
        """All that the tree is made of, from the top down."""
        found: list[object] = []
        pending: list[Expression] = [self]
        while pending:
            each = pending.pop()
            if isinstance(each, Call):
                found.append((each.name, len(each.arguments), each.target is None))
                pending.extend(reversed(each.parts))
            else:
                found.append(each)
        return tuple(found)

    def __str__(self) -> str:
        said: list[str] = []
        pending: list[Expression | str] = [self]
        while pending:
            each = pending.pop()
            if isinstance(each, Call):
                pending.extend(reversed(each._pieces()))
            else:
                said.append(str(each))
        return "".join(said)

    def _pieces(self) -> list[Expression | str]:
        head: list[Expression | str] = [] if self.target is None else [self.target, ":"]
        commas = [piece for each in self.arguments for piece in (", ", each)][1:]
        return [*head, self.name, "(", *commas, ")"]


Expression = Constant | Variable | Call
