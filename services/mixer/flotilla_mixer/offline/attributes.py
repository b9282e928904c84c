"""Attributes as people write them on a command line: `name=value,...` (mixer.md 7.8)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.functions import timestamp
from flotilla_shared.model.expressions import Duration, ValueType, parse_duration

_WHOLE = re.compile(r"[-+]?[0-9]{1,19}")
_REAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|Inf|NaN)")
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


class AttributeTextError(ValueError):
    """The text is no attribute, or no value of the attribute's type."""


def read_attributes(
    texts: Iterable[str], vocabulary: Mapping[str, ValueType], kind: ValueType | None = None
) -> dict[str, object]:
    """The bag of texts such as `request.path=/x,request.headers=a:b;c:d`. All are of `kind`, if that is given; else what
    is declared is read as its type, and anything else by its look. Raises AttributeTextError.
    """
    bag: dict[str, object] = {}
    for each in (part for text in texts for part in text.split(",") if part):
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise AttributeTextError(f"{each!r} is no attribute; write name=value.")
        bag[_text(name)] = _value(name, value, kind or vocabulary.get(name))
    return bag


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise AttributeTextError(f"{text!r} is no text in UTF-8.") from None
    return text


def _value(name: str, text: str, kind: ValueType | None) -> object:
    _text(text)
    if kind is None:
        return _sensed(text)
    try:
        return _READERS.get(kind, str)(text)
    except (ValueError, EvaluationError):
        raise AttributeTextError(f"{name} is {kind}, and {text!r} is none.") from None


def _sensed(text: str) -> object:
    for read in (_whole, _real, _boolean, timestamp, _duration, _bytes, _map):
        try:
            return read(text)
        except (ValueError, EvaluationError):
            continue
    return text


def _whole(text: str) -> int:
    """As 64 bits hold it."""
    if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def _real(text: str) -> float:
    if not _REAL.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _boolean(text: str) -> bool:
    if text not in _TRUE + _FALSE:
        raise ValueError(text)
    return text in _TRUE


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


def address(text: str) -> bytes:
    """Of its usual text, or as `0a:00:00:01`. Raises ValueError."""
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
    ValueType.INT64: _whole,
    ValueType.DOUBLE: _real,
    ValueType.BOOL: _boolean,
    ValueType.TIMESTAMP: timestamp,
    ValueType.DURATION: _duration,
    ValueType.IP_ADDRESS: address,
    ValueType.STRING_MAP: _map,
}
