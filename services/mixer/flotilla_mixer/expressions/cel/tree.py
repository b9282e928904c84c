"""CEL as trees: immutable values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A value; `type` is CEL's name of its type."""

    value: object
    type: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute of one word, the first word of a longer one, or a variable of a macro."""

    name: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Select:
    """A part of an attribute's name, or a key of a map: `operand.field`."""

    operand: Node
    field: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function, a macro or an operator (`_+_`). `target` is what a method is called on."""

    function: str
    arguments: tuple[Node, ...] = ()
    target: Node | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Node, ...]
    position: int = 0


@dataclass(frozen=True, slots=True)
class MapOf:
    entries: tuple[tuple[Node, Node], ...]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Wrapped:
    """`google.protobuf.Int64Value{value: operand}`: a value in a message of its own; `type` is the name of the message."""

    type: str
    operand: Node | None
    position: int = 0


Node = Literal | Name | Select | Call | ListOf | MapOf | Wrapped
