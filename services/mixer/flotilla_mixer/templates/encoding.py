"""From rows of values to the bytes of a message: put together once, as one Python function without a loop.

What is known beforehand is bytes already; what comes with a row is encoded by the function of its field (`wire`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from flotilla_mixer.templates import wire
from flotilla_mixer.templates.descriptors import Messages
from flotilla_mixer.templates.remote import MOMENTS, VALUE, WRAPPERS, is_text_map
from flotilla_shared.model.expressions import ValueType

Row = tuple[Any, ...]
Encoder = Callable[[Row], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A field whose value stands in the row at `place`: `(2, 0)` is `row[2][0]`."""

    place: tuple[int, ...]
    encode: wire.Encode


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A message in a message; `tag` goes before its length."""

    tag: bytes
    parts: tuple[Part, ...]


Part = bytes | Slot | Nested


def compile_encoder(parts: Sequence[Part]) -> Encoder:
    """The function that makes a message of a row. What a value of another type than was said raises is TypeError,
    AttributeError, ValueError, OverflowError or struct.error.
    """
    names: dict[str, object] = {"join": b"".join, "sized": wire.sized}
    argument = ast.arguments(posonlyargs=[], args=[ast.arg("row")], kwonlyargs=[], kw_defaults=[], defaults=[])
    whole = ast.Expression(ast.Lambda(argument, _joined(parts, names)))
    code = compile(ast.fix_missing_locations(whole), "<message>", "eval")
    inner = next(each for each in code.co_consts if isinstance(each, CodeType))
    return FunctionType(inner, names)


def _joined(parts: Sequence[Part], names: dict[str, object]) -> ast.expr:
    pieces = [_piece(each, names) for each in _merged(parts)]
    if len(pieces) == 1:
        return pieces[0]
    return _call("join", ast.Tuple(pieces, ast.Load())) if pieces else ast.Constant(b"")


def _piece(part: Part, names: dict[str, object]) -> ast.expr:
    if isinstance(part, bytes):
        return ast.Constant(part)
    if isinstance(part, Nested):
        return _call("sized", ast.Constant(part.tag), _joined(part.parts, names))
    value: ast.expr = ast.Name("row", ast.Load())
    for index in part.place:
        value = ast.Subscript(value, ast.Constant(index), ast.Load())
    name = f"encode_{len(names)}"
    names[name] = part.encode
    return _call(name, value)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _merged(parts: Sequence[Part]) -> Iterator[Part]:
    """Known bytes in a row as one; nested messages of which everything is known are known bytes."""
    known = b""
    for part in parts:
        constant = constant_of(part)
        if constant is not None:
            known += constant
            continue
        if known:
            yield known
            known = b""
        yield part
    if known:
        yield known


def constant_of(part: Part) -> bytes | None:
    """The bytes of a part that needs no row."""
    if isinstance(part, bytes):
        return part
    if isinstance(part, Slot):
        return None
    inner = [constant_of(each) for each in part.parts]
    return None if None in inner else wire.sized(part.tag, b"".join(each for each in inner if each is not None))


def encoder_of(messages: Messages, field: Field, kind: ValueType) -> wire.Encode | None:
    """How a value of this type goes into this field; None if it does not."""
    if field.type == Field.TYPE_MESSAGE:
        return _encoder_of_message(messages, field, kind)
    wanted = type_wanted(field)
    if field.type == Field.TYPE_ENUM:
        numbers = messages.enum(field.type_name)
        return None if numbers is None else _enum(field.number, numbers, kind)
    return wire.scalar(field.number, field.type) if wanted is kind else None


def _encoder_of_message(messages: Messages, field: Field, kind: ValueType) -> wire.Encode | None:
    name = field.type_name.removeprefix(".")
    if name == VALUE:
        return wire.message(field.number, wire.any_value(kind))
    if WRAPPERS.get(name) is kind:
        return wire.message(field.number, wire.WRAPPED[kind])
    if MOMENTS.get(name) is kind:
        return wire.message(field.number, wire.timestamp if kind is ValueType.TIMESTAMP else wire.moment)
    if kind is ValueType.STRING_MAP and is_text_map(messages, name):
        tag = wire.tag_of(field.number, Field.TYPE_MESSAGE)
        return lambda value: wire.text_entries(value, tag)
    return None


def _enum(number: int, numbers: Mapping[str, int], kind: ValueType) -> wire.Encode | None:
    encode = wire.scalar(number, Field.TYPE_ENUM)
    if kind is ValueType.INT64:
        return encode
    return (lambda value: encode(_numbered(value, numbers))) if kind is ValueType.STRING else None


def _numbered(name: str, numbers: Mapping[str, int]) -> int:
    if name not in numbers:
        raise ValueError(f"{name!r} is none of {', '.join(numbers)}")
    return numbers[name]


def type_wanted(field: Field) -> ValueType | None:
    """The type of the expressions that a field of numbers, texts or booleans takes."""
    if field.type in wire.INT_TYPES:
        return ValueType.INT64
    if field.type in wire.FLOAT_TYPES:
        return ValueType.DOUBLE
    return {Field.TYPE_STRING: ValueType.STRING, Field.TYPE_BOOL: ValueType.BOOL}.get(field.type)
