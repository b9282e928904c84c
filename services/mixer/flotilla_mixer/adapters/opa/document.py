"""What a policy in Rego is asked about: the `input` document of a row (mixer.md 5.8)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Duration, Timestamp

FIELDS = 8


def input_of(spec: InstanceSpec, row: Sequence[Any]) -> dict[str, Any]:
    """`action` and `subject`, without what is empty. Raises ValueError for a row that does not fit the instance."""
    if len(row) != FIELDS:
        raise ValueError(f"the row has {len(row)} values and not {FIELDS}")
    user, groups, namespace, service, method, path, of_subject, of_action = row
    subject = {"user": user, "groups": [groups] if groups else None, "properties": _named(spec, "subject", of_subject)}
    action = {
        "namespace": namespace,
        "service": service,
        "method": method,
        "path": path,
        "properties": _named(spec, "action", of_action),
    }
    return {"action": _filled(action), "subject": _filled(subject)}


def _filled(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in part.items() if value}


def _named(spec: InstanceSpec, part: str, values: Sequence[Any]) -> dict[str, Any]:
    names = spec.names.get(f"{part}.properties", ())
    return {name: _value(value) for name, value in zip(names, values, strict=True)}


def _value(value: Any) -> Any:
    """As JSON has it: addresses, moments and spans as text."""
    if isinstance(value, (Timestamp, Duration)):
        return text_of(value)
    if isinstance(value, bytes):
        return _address(value)
    if isinstance(value, Mapping):
        return {str(name): _value(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(each) for each in value]
    return value if isinstance(value, (str, bool, int, float)) or value is None else str(value)


def _address(value: bytes) -> str:
    if len(value) not in (4, 16):
        return value.hex()
    found = ipaddress.ip_address(value)
    return str(getattr(found, "ipv4_mapped", None) or found)
