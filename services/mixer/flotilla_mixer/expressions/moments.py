"""Moments as RFC 3339 writes them, with what Go's `time.Parse` takes beside: an hour of one digit, and a comma."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

NANOSECONDS = 1_000_000_000
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([-+])(\d\d):(\d\d))\Z", re.ASCII
)
_EPOCH = date(1970, 1, 1).toordinal()
_YEARS = 400  # the calendar's period; Python's own begins with the year 1, and Go's with 0
_DAYS = 146_097


def nanoseconds_of(text: str) -> int:
    """Since 1970, UTC. Raises ValueError."""
    found = _MOMENT.match(text)
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(each) for each in found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    shift = (int(zone_hours or 0) * 60 + int(zone_minutes or 0)) * 60
    if not _exists(year, month, day) or hour > 23 or minute > 59 or second > 59:
        raise ValueError(text)
    if int(zone_hours or 0) > 24 or int(zone_minutes or 0) > 60:
        raise ValueError(text)
    days = date(year or _YEARS, month, day).toordinal() - (0 if year else _DAYS) - _EPOCH
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - (-shift if sign == "-" else shift)
    return seconds * NANOSECONDS + int((fraction or "0")[:9].ljust(9, "0"))


def _exists(year: int, month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= monthrange(year or _YEARS, month)[1]


def text_of(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with as many digits of the second as there are, for any year."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return second_text(seconds) + (f".{rest:09}".rstrip("0") if rest else "") + "Z"


def second_text(seconds: int) -> str:
    """`2026-01-01T00:00:00`, for any year: a peer may send any."""
    days, second = divmod(seconds, 86_400)
    cycles, day = divmod(days + _EPOCH - 1, _DAYS)
    found = date.fromordinal(day + 1)
    year = f"{found.year + cycles * _YEARS:04}"
    return f"{year}-{found.month:02}-{found.day:02}T{second // 3600:02}:{second % 3600 // 60:02}:{second % 60:02}"
