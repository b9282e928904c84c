"""Values of attributes as text and as numbers, the way 1.4's adapters wrote them (mixer.md 5.2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime

from flotilla_shared.model.expressions import Duration, Timestamp

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


def number_of(value: object) -> float:
    """A value as a number: durations in seconds, text as it reads. Raises ValueError."""
    if isinstance(value, Duration):
        return value / NANOSECONDS
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{text_of(value)!r} is no number")  # noqa: TRY004  # as of a text that is none
    return float(value)


def _moment(value: int) -> str:
    seconds, rest = divmod(value, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


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


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    return f"{whole}.{rest * NANOSECONDS // size:09d}".rstrip("0").rstrip(".") if rest else str(whole)
