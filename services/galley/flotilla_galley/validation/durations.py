"""Durations as users write them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache


class Wrong(ValueError):
    """A value does not fit its field."""


_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_CHARACTERS = 64


def parse_duration(text: str) -> int:
    """Nanoseconds of Go's and protobuf's notation: `5s`, `1.5s`, `1h30m`. Raises Wrong."""
    if len(text) > _CHARACTERS:
        raise Wrong(f"{text[:20]!r}... is no duration of at most {_CHARACTERS} characters, such as 5s or 1m30s")
    return _parsed(text)


@lru_cache(1024)
def _parsed(text: str) -> int:
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    total = 0.0
    if rest == "0":
        return 0
    for number, unit in _duration_parts(text, rest):
        total += number * _UNITS[unit]
    if not math.isfinite(total) or total > 315_576_000_000 * 10**9:
        raise Wrong(f"{text!r} is longer than ten thousand years")
    return sign * round(total)


def _duration_parts(whole: str, rest: str) -> Iterator[tuple[float, str]]:
    if not rest:
        raise Wrong(f"{whole!r} is no duration; write a number with its unit, such as 5s or 1m30s")
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        unit = next((each for each in ("ns", "us", "µs", "ms", "s", "m", "h") if rest.startswith(each)), "")
        if not unit or not number.replace(".", "", 1).isdigit():
            raise Wrong(f"{whole!r} is no duration; write a number with its unit, such as 5s or 1m30s")
        rest = rest[len(unit) :]
        yield float(number), unit
