"""A line of the tap as attributes again, so that what passed can be asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.functions import timestamp
from flotilla_mixer.offline.attributes import AttributeTextError, address
from flotilla_shared.model.expressions import Duration, ValueType, parse_duration


def read_line(line: object, vocabulary: Mapping[str, ValueType]) -> dict[str, object]:
    """The bag of a line. What was masked stays so: it is text. Raises AttributeTextError."""
    given = line.get("attributes") if isinstance(line, Mapping) else None
    if not isinstance(given, Mapping):
        raise AttributeTextError("this is no line of the tap: it has no attributes.")
    return {str(name): _value(str(name), value, vocabulary.get(str(name))) for name, value in given.items()}


def _value(name: str, value: Any, kind: ValueType | None) -> object:
    try:
        if kind is ValueType.IP_ADDRESS:
            return address(value)
        if kind is ValueType.TIMESTAMP:
            return timestamp(value)
        if kind is ValueType.DURATION:
            return _duration(value)
        if kind is ValueType.DOUBLE and type(value) is int:
            return float(value)
    except (ValueError, TypeError, AttributeError, EvaluationError):
        raise AttributeTextError(f"{name} is {kind}, and {value!r} is none.") from None
    if isinstance(value, Mapping) and all(type(each) is str for each in value.values()):
        return dict(value)
    if type(value) in (str, int, float, bool):
        return value
    raise AttributeTextError(f"{name} has {value!r}, which no attribute holds.")


def _duration(text: str) -> Duration:
    found = parse_duration(text)
    if found is None:
        raise ValueError(text)
    return found
