"""Values of attributes as text and as numbers, the way 1.4's adapters wrote them (mixer.md 5.2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flotilla_mixer.expressions.moments import second_text
from flotilla_shared.model.expressions import Duration, Timestamp, parse_duration

NANOSECONDS = 1_000_000_000


def text_of(value: object) -> str:
    """Any value as text. `None` is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Timestamp):
        return _moment(value)
    if isinstance(value, Duration):
        return _span(value)
    if isinstance(value, float):
        return format(value, "f").rstrip("0").rstrip(".") if value == value and abs(value) < 1e21 else str(value)
    if isinstance(value, bytes):
        return str(ipaddress.ip_address(value)) if len(value) in (4, 16) else value.hex()
    if isinstance(value, Mapping):
        return "&".join(f"{name}={value[name]}" for name in sorted(value))
    return str(value)


def reads_as(text: str, value: object) -> bool:
    """Whether a text that a user wrote is this value, in whatever form the value's type has: `90s` is 1m30s, `1.50` is 1.5,
    `0:0:0:0:0:0:0:1` is ::1. As 1.4 compared dimensions with those of an override.
    """
    if text == text_of(value):
        return True
    if value is None or isinstance(value, str):
        return False
    try:
        return _READERS[type(value)](text) == value
    except (KeyError, ValueError):
        return False


def number_of(value: object) -> float:
    """A value as a number: durations in seconds, text as it reads. Raises ValueError."""
    if isinstance(value, Duration):
        return value / NANOSECONDS
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{text_of(value)!r} is no number")  # noqa: TRY004  # as of a text that is none
    return float(value)


def _moment(value: int) -> str:
    seconds, rest = divmod(value, NANOSECONDS)
    return f"{second_text(seconds)}.{rest // 1000:06d}Z"


def _span(value: int) -> str:
    """As Go writes durations: 1m30s, 2.5ms."""
    if value == 0:
        return "0s"
    sign, left = ("-", -value) if value < 0 else ("", int(value))
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if left < size * 1000:
            return f"{sign}{_decimal(left, size)}{unit}"
    minutes, rest = divmod(left, 60 * NANOSECONDS)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, NANOSECONDS)}s"


def _flag(text: str) -> bool:
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise ValueError(text)
    return text.lower() in ("1", "t", "true")


def _when(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * NANOSECONDS + moment.microsecond * 1000


def _packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


_READERS: Mapping[type, Callable[[str], object]] = {
    int: int,
    float: float,
    bool: _flag,
    Duration: parse_duration,
    Timestamp: _when,
    bytes: _packed,
}


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    return f"{whole}.{rest * NANOSECONDS // size:09d}".rstrip("0").rstrip(".") if rest else str(whole)
