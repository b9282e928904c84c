"""Rows of Istio's own templates as the InstanceMsg of their handler services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from flotilla_mixer.templates import wire
from flotilla_mixer.templates.descriptors import Messages
from flotilla_mixer.templates.encoding import Encoder, Nested, Part, Slot, compile_encoder, encoder_of
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

NAME_FIELD = 72295727
Place = tuple[int, ...]
Written = Mapping[str, tuple[Place, ValueType]]


def row_encoder(spec: InstanceSpec, template: RemoteTemplate) -> Encoder:
    """The function that makes the instance's message of a row. Raises ValueError for a type that its field does not
    take.
    """
    message = template.messages.message(template.instance)
    assert message is not None
    parts = _parts(template.messages, message, dict(_places(spec)))
    return compile_encoder([*parts, wire.scalar(NAME_FIELD, Field.TYPE_STRING)(spec.name)])


def types_of(spec: InstanceSpec) -> dict[str, ValueType]:
    """The types of an instance by path: `value`, `dimensions[code]`."""
    return {path: kind for path, (_, kind) in _places(spec)}


def _places(spec: InstanceSpec) -> Iterator[tuple[str, tuple[Place, ValueType]]]:
    """Where in the row what stands, by path. Fields that were not given are left out."""
    fields = tuple(spec.template.fields)
    for index, name in enumerate(fields):
        if name in spec.types:
            yield name, ((index,), spec.types[name])
    for index, name in enumerate(spec.template.maps, len(fields)):
        for place, key in enumerate(spec.names.get(name, ())):
            kind = spec.map_types.get(name, {}).get(key, ValueType.STRING)
            yield f"{name}[{key}]", ((index, place), kind)


def _parts(messages: Messages, message: DescriptorProto, written: Written) -> list[Part]:
    found: list[Part] = []
    for field in message.field:
        own = {path: each for path, each in written.items() if _is_of(path, field.name)}
        if not own:
            continue
        entry = messages.message(field.type_name) if field.type == Field.TYPE_MESSAGE else None
        tag = wire.tag_of(field.number, Field.TYPE_MESSAGE)
        if entry is not None and entry.options.map_entry:
            key, value = entry.field
            for path, (place, kind) in own.items():
                text = path.partition("[")[2].removesuffix("]")
                name = wire.scalar(key.number, Field.TYPE_STRING)(text)
                found.append(Nested(tag, (name, _slot(messages, value, place, kind, path))))
        elif entry is not None and all("." in path for path in own):
            inner = {path.partition(".")[2]: each for path, each in own.items()}
            found.append(Nested(tag, tuple(_parts(messages, entry, inner))))
        else:
            ((path, (place, kind)),) = own.items()
            found.append(_slot(messages, field, place, kind, path))
    return found


def _is_of(path: str, field: str) -> bool:
    first = path.partition("[")[0].partition(".")[0]
    return first.replace("_", "") == field.replace("_", "").lower()  # `httpStatusCode` is http_status_code


def _slot(messages: Messages, field: Field, place: Place, kind: ValueType, path: str) -> Slot:
    encode = encoder_of(messages, field, kind)
    if encode is None:
        raise ValueError(f"{path} is {kind}, which {field.name} of the backend's message does not take")
    return Slot(place, encode)
