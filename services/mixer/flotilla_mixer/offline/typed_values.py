"""Typed values, `{"type": T, "value": v}`, to values of a bag and back."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from math import isfinite
from typing import Any

from flotilla_mixer.expressions.functions import timestamp
from flotilla_mixer.expressions.moments import text_of
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType


def value_of(given: Mapping[str, Any]) -> object:
    """A value of a bag of a typed value. Raises ValueError, KeyError or TypeError for one that is none."""
    kind, value = given["type"], given.get("value")
    match kind:
        case "IP_ADDRESS" | "BYTES":
            return bytes.fromhex(given.get("hex", value))
        case "DURATION":
            return Duration(int(value or 0))
        case "TIMESTAMP":
            return timestamp(str(value))
        case "DOUBLE":
            return float(str(value).replace("Inf", "inf"))
    wanted = _PYTHON.get(kind)
    if wanted is None or type(value) is not wanted:
        raise ValueError(f"{value!r} is no {kind}")
    if isinstance(value, dict) and not all(type(each) is str for pair in value.items() for each in pair):
        raise ValueError("a map has texts only")
    return value


_PYTHON: Mapping[str, type] = {
    **dict.fromkeys(("STRING", "URI", "DNS_NAME", "EMAIL_ADDRESS"), str),
    **{"INT64": int, "BOOL": bool, "STRING_MAP": dict},
}


def typed(value: object) -> dict[str, Any]:
    """A typed value of a value of a bag."""
    if isinstance(value, Timestamp):
        return {"type": "TIMESTAMP", "value": text_of(value)}
    if isinstance(value, Duration):
        return {"type": "DURATION", "value": int(value)}
    if isinstance(value, bytes):
        return {"type": "BYTES", "hex": value.hex()}
    if isinstance(value, Mapping):
        return {"type": "STRING_MAP", "value": dict(value)}
    kinds = {bool: "BOOL", int: "INT64", float: "DOUBLE", str: "STRING"}
    return {"type": kinds[type(value)], "value": value}


def typed_as(kind: ValueType, value: object) -> dict[str, Any]:
    """A typed value of an expression's result, whose type is known."""
    if kind is ValueType.IP_ADDRESS and isinstance(value, bytes):
        return {"type": kind.value, "hex": value.hex(), "value": _address(value)}
    if kind is ValueType.DOUBLE and isinstance(value, float) and not isfinite(value):
        return {"type": kind.value, "value": "NaN" if value != value else "+Inf" if value > 0 else "-Inf"}
    return {**typed(value), "type": kind.value}


def _address(value: bytes) -> str | None:
    """The usual text, which for a mapped IPv4 address is that one's; None for what is no address."""
    if len(value) not in (4, 16):
        return None
    found = ipaddress.ip_address(value)
    return str(getattr(found, "ipv4_mapped", None) or found)
