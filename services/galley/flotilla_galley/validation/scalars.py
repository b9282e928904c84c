"""Values of fields from plain data: each gives the value, or raises Wrong with what would be right."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from flotilla_galley.validation.durations import Wrong

Reader = Callable[[object], object]

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)

# Longer ones fit no field, and Python does not read the longest.
_INTEGER = re.compile(r"\s*-?[0-9]{1,40}\s*\Z")


def reader(found: FieldDescriptor) -> Reader:
    """What reads the values of a field that is no message."""
    if found.enum_type is not None:
        return _enum(found.enum_type)
    if found.type == FieldDescriptor.TYPE_STRING:
        return text
    if found.type == FieldDescriptor.TYPE_BYTES:
        return octets
    if found.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return boolean
    if found.cpp_type in _FLOATS:
        return number
    least, greatest = _RANGES[found.cpp_type]
    return partial(integer, least=least, greatest=greatest)


def _enum(enum: EnumDescriptor) -> Reader:
    numbers = {value.name: int(value.number) for value in enum.values}
    known = frozenset(numbers.values())

    def read(content: object) -> int:
        if isinstance(content, str) and content in numbers:
            return numbers[content]
        if isinstance(content, int) and not isinstance(content, bool) and content in known:
            return content
        raise Wrong(f"{shown(content)} is none of {', '.join(numbers)}")

    return read


def text(content: object) -> str:
    if isinstance(content, str):
        return content
    raise Wrong(f"{shown(content)} stands where text must stand; put it in quotes")


def octets(content: object) -> bytes:
    if isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise Wrong("it is no base64") from error
    raise Wrong(f"{shown(content)} stands where base64 text must stand")


def boolean(content: object) -> bool:
    if isinstance(content, bool):
        return content
    if content in ("true", "false"):  # a map's key
        return content == "true"
    raise Wrong(f"{shown(content)} is neither true nor false")


def number(content: object) -> float:
    if isinstance(content, int | float) and not isinstance(content, bool):
        return float(content)
    if isinstance(content, str):
        try:
            return float(content)
        except ValueError:
            pass
    raise Wrong(f"{shown(content)} is no number")


def integer(content: object, least: int, greatest: int) -> int:
    number = content
    if isinstance(number, str) and _INTEGER.match(number):
        number = int(number)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise Wrong(f"{shown(content)} is no whole number")
    if not least <= number <= greatest:
        raise Wrong(f"{number} is outside of {least} to {greatest}")
    return number


def shown(content: object) -> str:
    """A value as its author wrote it, more or less, and short."""
    if isinstance(content, dict):
        return "a mapping"
    if isinstance(content, list):
        return "a list"
    if isinstance(content, bool):
        return "true" if content else "false"
    text = repr(content)
    return text if len(text) <= 60 else text[:57] + "..."
