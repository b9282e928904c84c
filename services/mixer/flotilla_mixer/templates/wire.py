"""Values as protobuf's bytes: one function for each kind of field, made once, called for every row."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from flotilla_shared.model.expressions import ValueType

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
NANOSECONDS = 1_000_000_000
_MASK = (1 << 64) - 1
_ONE = [bytes((number,)) for number in range(128)]
Encode = Callable[..., bytes]
"""Of a value, gives the bytes of a whole field: its tag, its length where it has one, and the value."""

INT_TYPES = frozenset(
    (
        Field.TYPE_INT32,
        Field.TYPE_INT64,
        Field.TYPE_UINT32,
        Field.TYPE_UINT64,
        Field.TYPE_SINT32,
        Field.TYPE_SINT64,
        Field.TYPE_FIXED32,
        Field.TYPE_FIXED64,
        Field.TYPE_SFIXED32,
        Field.TYPE_SFIXED64,
    )
)
FLOAT_TYPES = frozenset((Field.TYPE_DOUBLE, Field.TYPE_FLOAT))
RANGES: Mapping[int, tuple[int, int]] = {
    Field.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    Field.TYPE_SINT32: (-(1 << 31), (1 << 31) - 1),
    Field.TYPE_SFIXED32: (-(1 << 31), (1 << 31) - 1),
    Field.TYPE_UINT32: (0, (1 << 32) - 1),
    Field.TYPE_FIXED32: (0, (1 << 32) - 1),
    Field.TYPE_UINT64: (0, _MASK),
    Field.TYPE_FIXED64: (0, _MASK),
}
WHOLE = (-(1 << 63), (1 << 63) - 1)
_STRUCTS: Mapping[int, struct.Struct] = {
    Field.TYPE_DOUBLE: struct.Struct("<d"),
    Field.TYPE_FLOAT: struct.Struct("<f"),
    Field.TYPE_FIXED32: struct.Struct("<I"),
    Field.TYPE_FIXED64: struct.Struct("<Q"),
    Field.TYPE_SFIXED32: struct.Struct("<i"),
    Field.TYPE_SFIXED64: struct.Struct("<q"),
}
_WIRE: Mapping[int, int] = {
    Field.TYPE_DOUBLE: FIXED64,
    Field.TYPE_FIXED64: FIXED64,
    Field.TYPE_SFIXED64: FIXED64,
    Field.TYPE_FLOAT: FIXED32,
    Field.TYPE_FIXED32: FIXED32,
    Field.TYPE_SFIXED32: FIXED32,
    Field.TYPE_STRING: BYTES,
    Field.TYPE_BYTES: BYTES,
    Field.TYPE_MESSAGE: BYTES,
}


def varint(number: int) -> bytes:
    """A number that is not negative."""
    if number < 128:
        return _ONE[number]
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def tag_of(number: int, kind: int) -> bytes:
    """The tag of a field of this number and protobuf type."""
    return varint(number << 3 | _WIRE.get(kind, VARINT))


def sized(tag: bytes, content: bytes) -> bytes:
    """A field of bytes: a message, a text."""
    return tag + varint(len(content)) + content


def scalar(number: int, kind: int) -> Encode:
    """The encoder of a text, a number or a boolean."""
    tag = tag_of(number, kind)
    if kind == Field.TYPE_STRING:
        return lambda value: sized(tag, value.encode())
    if kind == Field.TYPE_BYTES:
        return lambda value: sized(tag, value)
    if kind == Field.TYPE_BOOL:
        yes, no = tag + b"\1", tag + b"\0"
        return lambda value: yes if value else no
    if kind in _STRUCTS:
        pack = _STRUCTS[kind].pack
        return lambda value: tag + pack(value)
    if kind in (Field.TYPE_SINT32, Field.TYPE_SINT64):
        return lambda value: tag + varint((value << 1 ^ value >> 63) & _MASK)
    return lambda value: tag + varint(value & _MASK)


def packed(number: int, kind: int, values: list[object]) -> bytes:
    """All numbers of a repeated field in one."""
    start = len(tag_of(number, kind))
    encode = scalar(number, kind)
    return sized(tag_of(number, Field.TYPE_BYTES), b"".join(encode(value)[start:] for value in values))


def moment(value: int) -> bytes:
    """What google.protobuf.Timestamp and Duration hold, of nanoseconds."""
    seconds, rest = divmod(value, NANOSECONDS)
    if value < 0 and rest:
        seconds, rest = seconds + 1, rest - NANOSECONDS
    return b"\x08" + varint(seconds & _MASK) + b"\x10" + varint(rest & _MASK)


def timestamp(value: int) -> bytes:
    """As `moment`, but a Timestamp's nanoseconds never go back."""
    seconds, rest = divmod(value, NANOSECONDS)
    return b"\x08" + varint(seconds & _MASK) + b"\x10" + varint(rest)


def text_entries(value: Mapping[str, str], tag: bytes = b"\x0a") -> bytes:
    """The entries of a map of texts, each under the field's tag."""
    return b"".join(
        sized(tag, sized(b"\x0a", key.encode()) + sized(b"\x12", text.encode())) for key, text in value.items()
    )


# What istio.policy.v1beta1.TimeStamp and the like hold, each in its field `value`.
WRAPPED: Mapping[ValueType, Encode] = {
    ValueType.TIMESTAMP: lambda value: sized(b"\x0a", timestamp(value)),
    ValueType.DURATION: lambda value: sized(b"\x0a", moment(value)),
    ValueType.IP_ADDRESS: lambda value: sized(b"\x0a", value),
    ValueType.DNS_NAME: lambda value: sized(b"\x0a", value.encode()),
    ValueType.EMAIL_ADDRESS: lambda value: sized(b"\x0a", value.encode()),
    ValueType.URI: lambda value: sized(b"\x0a", value.encode()),
    ValueType.STRING_MAP: text_entries,
}
# The field of istio.policy.v1beta1.Value for each type.
_OF_VALUE: Mapping[ValueType, Encode] = {
    ValueType.STRING: scalar(1, Field.TYPE_STRING),
    ValueType.INT64: scalar(2, Field.TYPE_INT64),
    ValueType.DOUBLE: scalar(3, Field.TYPE_DOUBLE),
    ValueType.BOOL: scalar(4, Field.TYPE_BOOL),
}
_WRAPPED_IN_VALUE = {
    ValueType.IP_ADDRESS: 5,
    ValueType.TIMESTAMP: 6,
    ValueType.DURATION: 7,
    ValueType.EMAIL_ADDRESS: 8,
    ValueType.DNS_NAME: 9,
    ValueType.URI: 10,
    ValueType.STRING_MAP: 11,
}


def any_value(kind: ValueType) -> Encode:
    """What istio.policy.v1beta1.Value holds for a value of this type."""
    if kind in _OF_VALUE:
        return _OF_VALUE[kind]
    tag, inner = tag_of(_WRAPPED_IN_VALUE[kind], Field.TYPE_MESSAGE), WRAPPED[kind]
    return lambda value: sized(tag, inner(value))


def message(number: int, inner: Encode) -> Encode:
    """A field that holds a message; `inner` gives what it holds."""
    tag = tag_of(number, Field.TYPE_MESSAGE)
    return lambda value: sized(tag, inner(value))
