"""Typed values, `{"type": T, "value": v}`, to values of a bag and back."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from flotilla_mixer.expressions.functions import timestamp
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

NANOSECONDS = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def value_of(given: Mapping[str, Any]) -> object:
    """A value of a bag of a typed value."""
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
    return value


def typed(value: object) -> dict[str, Any]:
    """A typed value of a value of a bag."""
    if isinstance(value, Timestamp):
        return {"type": "TIMESTAMP", "value": _moment(value)}
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
        text = str(ipaddress.ip_address(value)) if len(value) in (4, 16) else None
        return {"type": kind.value, "hex": value.hex(), "value": text.removeprefix("::ffff:") if text else None}
    if kind is ValueType.DOUBLE and isinstance(value, float) and not isfinite(value):
        return {"type": kind.value, "value": "NaN" if value != value else "+Inf" if value > 0 else "-Inf"}
    return {**typed(value), "type": kind.value}


def _moment(value: int) -> str:
    seconds, rest = divmod(value, NANOSECONDS)
    text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    text = text.rjust(19, "0")  # years before 1000
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"
