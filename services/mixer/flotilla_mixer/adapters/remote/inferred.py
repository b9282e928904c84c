"""The types that expressions of instances turned out to have, as the `Type` message of their template says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from flotilla_mixer.templates.descriptors import DescriptorError
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.policy.v1beta1.value_type_pb2 import ValueType as WireType
from flotilla_shared.model.expressions import ValueType

TYPE_URL = "type.googleapis.com/"


def inferred_types(instances: Iterable[InstanceSpec]) -> Mapping[str, AnyMessage]:
    """By instance; one whose template has no `Type` is left out."""
    found = {}
    for each in instances:
        if isinstance(each.template, RemoteTemplate):
            made = type_of(each.template, each.types)
            if made is not None:
                found[each.name] = packed(made)
    return found


def packed(message: Message) -> AnyMessage:
    """The message in an Any."""
    url = f"{TYPE_URL}{message.DESCRIPTOR.full_name}"
    return AnyMessage(type_url=url, value=message.SerializeToString(deterministic=True))


def type_of(template: RemoteTemplate, types: Mapping[str, ValueType]) -> Message | None:
    """The `Type` of a template with these types by path; None if it has none."""
    name = f"{template.instance.removesuffix('InstanceMsg')}Type"
    if template.messages.message(name) is None:
        return None
    try:
        made = template.messages.class_of(name)()
    except DescriptorError:
        return None
    for path, kind in types.items():
        put_type(made, path, kind)
    return made


def put_type(message: Any, path: str, kind: ValueType) -> None:
    """Put a type where `path` (`value`, `dimensions[code]`, `subject.properties[x]`) leads; fields that `Type` does
    not have, being of one type always, are left out.
    """
    name, dot, rest = path.partition(".") if "[" not in path.partition(".")[0] else (path, "", "")
    name, bracket, key = name.partition("[")
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        return
    number = WireType.Value(kind.value)
    if bracket:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, name)[key.removesuffix("]")] = number
    elif dot:
        if field.message_type is not None:
            put_type(getattr(message, name), rest, kind)
    elif field.enum_type is not None:
        setattr(message, name, number)
