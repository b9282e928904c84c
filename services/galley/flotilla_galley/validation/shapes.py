"""What decoding asks of messages and their fields, found out once: descriptors answer slowly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from flotilla_galley.validation.scalars import Reader, reader
from flotilla_galley.validation.well_known import SPECIAL

_GOOGLE = "google.protobuf."


@dataclass(frozen=True, slots=True)
class Shape:
    """A field. `read` is there unless it is of messages; `key` and `value` are those of a map."""

    field: FieldDescriptor
    name: str
    full_name: str
    form: Literal["map", "list", "message", "scalar"]
    oneof: str
    of_messages: bool
    read: Reader | None = None
    key: Shape | None = None
    value: Shape | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How a message is written: by a function of its own, as the one field that it wraps, or as a mapping of `fields`.

    `fields` has every spelling of each name.
    """

    special: Callable[[Message, object], None] | None
    wrapped: Shape | None
    fields: Mapping[str, Shape]


@cache
def way_of(descriptor: Descriptor) -> Way:
    wrapper = descriptor.full_name.startswith(_GOOGLE) and "value" in descriptor.fields_by_name
    wrapped = shape_of(descriptor.fields_by_name["value"]) if wrapper else None
    found = {each.json_name: each for each in descriptor.fields} | dict(descriptor.fields_by_name)
    found |= dict(descriptor.fields_by_camelcase_name)
    return Way(SPECIAL.get(descriptor.full_name), wrapped, {name: shape_of(each) for name, each in found.items()})


@cache
def shape_of(found: FieldDescriptor) -> Shape:
    message = found.message_type
    oneof = found.containing_oneof.name if found.containing_oneof is not None else ""
    if message is not None and message.GetOptions().map_entry:
        key, value = (shape_of(message.fields_by_name[name]) for name in ("key", "value"))
        return Shape(found, found.name, found.full_name, "map", oneof, value.of_messages, None, key, value)
    form: Literal["list", "message", "scalar"] = "list" if found.is_repeated else "message" if message else "scalar"
    return Shape(
        found, found.name, found.full_name, form, oneof, message is not None, None if message else reader(found)
    )
