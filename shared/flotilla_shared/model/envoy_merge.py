"""MERGE of EnvoyFilters: one message laid over another."""

from __future__ import annotations

from typing import Any

_VALUES = ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
_WHOLE = frozenset(("google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.Any")) | frozenset(
    f"google.protobuf.{each}Value" for each in _VALUES
)
"""What is one value, though protobuf writes it as a message: merged by parts, 30s over 0.5s would be 30.5s."""


def merge(into: Any, given: Any, *, replace_lists: bool = False) -> None:
    """What `given` states is laid over `into`: messages by field, maps by key, lists joined or replaced.

    A field at its zero value states nothing, as everywhere in proto3, unless it is wrapped or optional.
    """
    for field, value in given.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _merge_map(getattr(into, field.name), value, field)
        elif field.is_repeated:
            held = getattr(into, field.name)
            if replace_lists:
                del held[:]
            held.extend(value)
        elif field.message_type is None:
            setattr(into, field.name, value)
        elif field.message_type.full_name in _WHOLE:
            getattr(into, field.name).CopyFrom(value)
        else:
            inner = getattr(into, field.name)
            inner.SetInParent()
            merge(inner, value, replace_lists=replace_lists)


def _merge_map(held: Any, value: Any, field: Any) -> None:
    plain = field.message_type.fields_by_name["value"].message_type is None
    for key in value:
        if plain:
            held[key] = value[key]
        else:
            held[key].CopyFrom(value[key])
