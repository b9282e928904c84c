"""Parameters of an adapter whose message is not generated from a .proto file: described in code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

Field = descriptor_pb2.FieldDescriptorProto
SCALARS: Mapping[object, Any] = {
    str: Field.TYPE_STRING,
    int: Field.TYPE_INT64,
    float: Field.TYPE_DOUBLE,
    bool: Field.TYPE_BOOL,
}


def params_message(full_name: str, **fields: Any) -> type[Message]:
    """A message class with these fields, numbered in order.

    A field is `str`, `int`, `float`, `bool`, google.protobuf's `Duration`, another class that this made, or a list of one
    of them: `[str]`. Raises ValueError for anything else, and TypeError for a name that is taken in the process.
    """
    package, _, name = full_name.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(name=f"{full_name}.params", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        repeated = isinstance(kind, list)
        found = message.field.add(name=field, number=number, label=3 if repeated else 1)
        _of_kind(found, kind[0] if repeated else kind, file, f"{full_name}.{field}")
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


def _of_kind(field: Any, kind: Any, file: Any, where: str) -> None:
    scalar = SCALARS.get(kind)
    if scalar is not None:
        field.type = scalar
        return
    descriptor = getattr(kind, "DESCRIPTOR", None)
    if descriptor is None:
        raise ValueError(
            f"{where}: {kind!r} is no kind of field; {[each.__name__ for each in (str, int, float, bool)]}"
        )
    field.type, field.type_name = Field.TYPE_MESSAGE, f".{descriptor.full_name}"
    if descriptor.file.name not in file.dependency:
        file.dependency.append(descriptor.file.name)


__all__ = ["Duration", "params_message"]
