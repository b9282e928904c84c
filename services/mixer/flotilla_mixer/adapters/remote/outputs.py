"""What is in an OutputMsg, as values of the expression language. Fields that were not set are not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_shared.model.expressions import Duration, Timestamp

NANOSECONDS = 1_000_000_000
POLICY = "istio.policy.v1beta1."
_TEXTS = frozenset((f"{POLICY}DNSName", f"{POLICY}EmailAddress", f"{POLICY}Uri"))
_MOMENTS = {"google.protobuf.Timestamp": Timestamp, "google.protobuf.Duration": Duration}


def outputs_of(message: Any) -> Mapping[str, object]:
    """The set fields of a message by name; one of a type that expressions do not have is left out."""
    found = {}
    for field, value in message.ListFields():
        given = _value(field, value)
        if given is not None:
            found[field.name] = given
    return found


def _value(field: Any, value: Any) -> object | None:
    if field.message_type is None:
        return None if field.is_repeated or isinstance(value, bytes) else value
    if field.message_type.GetOptions().map_entry:
        return _texts(value)
    return None if field.is_repeated else _of_message(field.message_type.full_name, value)


def _texts(value: Mapping[Any, Any]) -> dict[str, str] | None:
    found = dict(value)
    return found if all(isinstance(each, str) for pair in found.items() for each in pair) else None


def _of_message(name: str, value: Any) -> object | None:
    if name in _TEXTS:
        return str(value.value)
    if name == f"{POLICY}IPAddress":
        return bytes(value.value)
    if name == f"{POLICY}StringMap":
        return _texts(value.value)
    if name in (f"{POLICY}TimeStamp", f"{POLICY}Duration"):
        value = value.value
        name = value.DESCRIPTOR.full_name
    kind = _MOMENTS.get(name)
    return kind(value.seconds * NANOSECONDS + value.nanos) if kind is not None else None
