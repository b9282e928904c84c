"""Attributes as people write them on a command line: `name=value,...` (mixer.md 7.8)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.functions import timestamp
from flotilla_shared.model.expressions import Duration, ValueType, parse_duration


class AttributeTextError(ValueError):
    """The text is no attribute, or no value of the attribute's type."""


def read_attributes(texts: list[str], vocabulary: Mapping[str, ValueType]) -> dict[str, object]:
    """The bag of texts such as `request.path=/x,request.headers=a:b;c:d`. What is declared is read as its type, and
    anything else by its look. Raises AttributeTextError.
    """
    bag: dict[str, object] = {}
    for each in (part for text in texts for part in text.split(",") if part):
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise AttributeTextError(f"{each!r} is no attribute; write name=value.")
        bag[name] = _value(name, value, vocabulary.get(name))
    return bag


def _value(name: str, text: str, kind: ValueType | None) -> object:
    if kind is None:
        return _sensed(text)
    try:
        return _READERS.get(kind, str)(text)
    except (ValueError, EvaluationError):
        raise AttributeTextError(f"{name} is {kind}, and {text!r} is none.") from None


def _sensed(text: str) -> object:
    for read in (int, float, _boolean, timestamp, _duration, _bytes, _map):
        try:
            return read(text)
        except (ValueError, EvaluationError):
            continue
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _duration(text: str) -> Duration:
    found = parse_duration(text)
    if found is None:
        raise ValueError(text)
    return Duration(found)


def _bytes(text: str) -> bytes:
    """`0a:00:00:01`."""
    parts = text.split(":")
    if len(parts) < 2 or any(len(part) != 2 for part in parts):
        raise ValueError(text)
    return bytes.fromhex("".join(parts))


def _address(text: str) -> bytes:
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return _bytes(text)


def _map(text: str) -> dict[str, str]:
    """`key:value;key:value`."""
    pairs = [part.partition(":") for part in text.split(";") if part]
    if not all(colon for _, colon, _ in pairs):
        raise ValueError(text)
    return {key: value for key, _, value in pairs}


_READERS: Mapping[ValueType, Callable[[str], object]] = {
    ValueType.INT64: int,
    ValueType.DOUBLE: float,
    ValueType.BOOL: _boolean,
    ValueType.TIMESTAMP: timestamp,
    ValueType.DURATION: _duration,
    ValueType.IP_ADDRESS: _address,
    ValueType.STRING_MAP: _map,
}
