"""Values of bags and rows as JSON that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from flotilla_mixer.expressions.moments import text_of as moment
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.descriptors import DescriptorError
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Duration, Timestamp

LONGEST = 1024  # of one value


def plain(value: object) -> Any:
    """Text, a number, a boolean or an object of texts; long texts end early and say so."""
    if isinstance(value, Timestamp):
        return moment(value)
    if isinstance(value, (Duration, bytes)):
        return _short(text_of(value))
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {_short(str(key)): _short(str(value[key])) for key in sorted(value)[:LONGEST]}
    return _short(value) if isinstance(value, str) else value


def plain_bag(bag: Mapping[str, object]) -> dict[str, Any]:
    """Sorted by name."""
    return {_short(name): plain(bag[name]) for name in sorted(bag)}


def row_values(spec: InstanceSpec, row: tuple[Any, ...]) -> dict[str, Any]:
    """A row by the names of its template; what the instance does not set is left out."""
    template = spec.template
    if isinstance(template, RemoteTemplate):
        return _message_values(template, row[0])
    found = {name: plain(value) for name, value in zip(template.fields, row, strict=False) if value is not None}
    for name, values in zip(template.maps, row[len(template.fields) :], strict=False):
        keys = spec.names.get(name, ())
        if keys:
            found[name] = {key: plain(value) for key, value in zip(keys, values, strict=False)}
    return found


def _message_values(template: RemoteTemplate, content: bytes) -> dict[str, Any]:
    """What stands in the message that goes to a backend."""
    try:
        message: Any = template.messages.class_of(template.instance).FromString(content)
    except (DescriptorError, DecodeError):
        return {}
    message.ClearField("name")
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def _short(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode()
    return readable if len(readable) <= LONGEST else f"{readable[:LONGEST]}... ({len(readable)} characters)"
