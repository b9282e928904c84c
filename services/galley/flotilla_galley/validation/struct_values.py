"""What a Struct holds, as plain data: whole numbers are whole again, as their author wrote them."""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value


def plain(struct: Struct) -> dict[str, Any]:
    """Names in order, so that whatever is said of them has one."""
    return {name: _value(struct.fields[name]) for name in sorted(struct.fields)}


def _value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return plain(value.struct_value)
    if kind == "list_value":
        return [_value(each) for each in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in (None, "null_value") else getattr(value, kind)
