"""What templates may call of a time, a span of time or an address: `{{.timestamp.Format "2006-01-02"}}`, `{{.took.Seconds}}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flotilla_mixer.kit.gotext.errors import TemplateError
from flotilla_mixer.kit.text import text_of
from flotilla_shared.model.expressions import Duration, Timestamp

NANOSECONDS = 1_000_000_000
# The parts of a layout, as Go's package time names them: those of a reference time. The longest is found first; a
# fraction is one only after a second, and where no further digit follows.
_PART = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|-07:00:00|-07:00|-070000|-0700|-07"
    r"|Z07:00:00|Z07:00|Z070000|Z0700|Z07|002|__2|_2|01|02|03|04|05|06|15|PM|pm|[.,](?:0+|9+)(?!\d)|[12345]"
)
_NAMES = {"January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "01": "%m", "02": "%d", "03": "%I"}
_NAMES |= {"04": "%M", "05": "%S", "06": "%y", "15": "%H", "002": "%j", "PM": "%p"}


def formatted(moment: int, layout: object) -> str:
    """A time in UTC by one of Go's layouts."""
    if not isinstance(layout, str):
        raise TemplateError("a layout is a text, such as 2006-01-02T15:04:05Z07:00")
    seconds, rest = divmod(moment, NANOSECONDS)
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise TemplateError(f"{moment} is no time that can be written") from None
    return _PART.sub(lambda found: _part(found[0], when, rest), layout)


def _part(part: str, when: datetime, rest: int) -> str:
    if part in _NAMES:
        return when.strftime(_NAMES[part])
    if part[0] in ".,":
        digits = f"{rest:09d}"[: len(part) - 1]
        digits = digits.ljust(len(part) - 1, "0") if part[1] == "0" else digits.rstrip("0")
        return part[0] + digits if digits else ""
    if part[0] == "Z":
        return "Z"
    if part[0] == "-":
        return "+" + re.sub(r"[07]", "0", part[1:])
    twelve = when.hour % 12 or 12
    others = {"MST": "UTC", "2006": f"{when.year:04d}", "pm": f"{when:%p}".lower(), "1": str(when.month)}
    others |= {"2": str(when.day), "_2": f"{when.day:2d}", "__2": f"{when:%j}".lstrip("0").rjust(3)}
    others |= {"3": str(twelve), "4": str(when.minute), "5": str(when.second)}
    return others[part]


def _of_moment(name: str) -> Callable[[int], int]:
    def read(moment: int) -> int:
        return int(getattr(datetime.fromtimestamp(moment // NANOSECONDS, UTC), name))

    return read


METHODS: Mapping[type, Mapping[str, Callable[..., Any]]] = {
    Timestamp: {
        "Format": formatted,
        "UTC": lambda moment: moment,
        "Unix": lambda moment: moment // NANOSECONDS,
        "UnixMilli": lambda moment: moment // 1_000_000,
        "UnixNano": int,
        "Nanosecond": lambda moment: moment % NANOSECONDS,
        **{name: _of_moment(name.lower()) for name in ("Year", "Day", "Hour", "Minute", "Second")},
    },
    Duration: {
        "Hours": lambda span: span / (3600 * NANOSECONDS),
        "Minutes": lambda span: span / (60 * NANOSECONDS),
        "Seconds": lambda span: span / NANOSECONDS,
        "Milliseconds": lambda span: int(abs(span) // 1_000_000) * (1 if span >= 0 else -1),
        "Microseconds": lambda span: int(abs(span) // 1_000) * (1 if span >= 0 else -1),
        "Nanoseconds": int,
        "String": text_of,
    },
    bytes: {"String": text_of},
}


def called(value: object, name: str, arguments: tuple[Any, ...]) -> Any:
    """What a method of a value gives. Raises TemplateError."""
    method = METHODS.get(type(value), {}).get(name)
    if method is None:
        raise TemplateError(f"{text_of(value)!r} has no field {name}")
    try:
        return method(value, *arguments)
    except TypeError:
        raise TemplateError(f"{name} cannot take {len(arguments)} such arguments") from None
