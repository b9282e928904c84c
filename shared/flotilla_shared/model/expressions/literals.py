"""Literals, as Go writes them: Mixer's expressions are a part of Go's."""

from __future__ import annotations

import re

from flotilla_shared.model.expressions.errors import ExpressionError
from flotilla_shared.model.expressions.values import Duration

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
# A digit can be read in one way only: otherwise a long number without a unit would take time by its square.
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(?:{_DURATION_PART.pattern})+\Z")
_MOST = 2**63 - 1
_DIGITS = 19  # of _MOST; beyond some thousands Python itself refuses to read a number


def unquote(literal: str, position: int) -> str:
    """The text of a string literal with its quotes: raw in backquotes, with escapes in others."""
    quote, inner = literal[0], literal[1:-1]
    if quote == "`":
        return inner.replace("\r", "")
    parts, place = [], 0
    while place < len(inner):
        if inner[place] != "\\":
            parts.append(inner[place].encode("utf-8", "surrogatepass"))
            place += 1
            continue
        found = _ESCAPE.match(inner, place)
        if found is None or (found[1] in ("'", '"') and found[1] != quote):
            raise ExpressionError(f"{literal} has an escape that is none", position)
        parts.append(_escaped(found, position))
        place = found.end()
    text = b"".join(parts).decode("utf-8", "replace")
    if quote == "'" and len(text) != 1:
        raise ExpressionError(f"{literal} must be one character, or stand in double quotes", position)
    return text


def _escaped(found: re.Match[str], position: int) -> bytes:
    if found[1]:
        return bytes((_ESCAPES[found[1]],))
    if found[2] or found[3]:
        code = int(found[2], 8) if found[2] else int(found[3], 16)
        if code < 256:
            return bytes((code,))
        raise ExpressionError(f"{found[0]} is more than a byte", position)
    code = int(found[4] or found[5], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ExpressionError(f"{found[0]} is no character", position)
    return chr(code).encode()


def parse_whole(digits: str) -> int | None:
    """The number that decimal digits make, 0 if there are none; None if it is more than an INT64 holds."""
    bare = digits.lstrip("0")
    number = int(bare or "0") if len(bare) <= _DIGITS else _MOST + 1
    return number if number <= _MOST else None


def parse_duration(text: str) -> Duration | None:
    """A Go duration (`1s`, `-1h2m`, `0`), or None for a text that is none."""
    if text in ("0", "+0", "-0"):
        return Duration(0)
    if not _DURATION.match(text):
        return None
    total = 0
    for number, unit in _DURATION_PART.findall(text):
        whole, _, fraction = number.partition(".")
        bare = whole.lstrip("0")
        if len(bare) > _DIGITS:
            return None
        total += int(bare or "0") * _UNITS[unit] + _part_of(_UNITS[unit], fraction)
    negative = text.startswith("-")
    if total > (_MOST + 1 if negative else _MOST):
        return None
    return Duration(-total if negative else total)


def _part_of(unit: int, fraction: str) -> int:
    """The nanoseconds of the digits behind a point, rounded as Go does: what 64 bits do not hold is left out."""
    value, scale = 0, 1.0
    for digit in fraction:
        if value > _MOST // 10:
            break
        value, scale = value * 10 + int(digit), scale * 10
    return int(value * (unit / scale))
