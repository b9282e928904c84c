"""What CEL's functions and operators do at run time, beside those that both languages have. Each raises EvaluationError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.functions import dns_equal, uri_equal
from flotilla_shared.model.expressions import Duration, Timestamp, parse_duration

ABSENT = object()
SECOND, MILLISECOND = 1_000_000_000, 1_000_000
ZERO_TIME = Timestamp(-62_135_596_800 * SECOND)  # Go's zero time: the first moment of year 1
ZERO_DURATION = Duration(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def key_of(entries: Mapping[Any, Any], key: object) -> object:
    """The value of a key that must be there."""
    found = entries.get(key, ABSENT)
    if found is ABSENT:
        raise EvaluationError(f"no such key: '{key}'")
    return found


def item_of(items: Sequence[object], number: int) -> object:
    if not 0 <= number < len(items):
        raise EvaluationError(f"index {number} is out of range: there are {len(items)} items")
    return items[number]


def has_key(entries: Mapping[Any, Any], key: object) -> bool:
    """Asked by `get`, which a bag's maps remember."""
    return entries.get(key, ABSENT) is not ABSENT


def either(left: Callable[[], bool], right: Callable[[], bool]) -> bool:
    """CEL's `||`: what is true counts, even where the other side fails."""
    return _decided(left, right, by=True)


def both(left: Callable[[], bool], right: Callable[[], bool]) -> bool:
    """CEL's `&&`: what is false counts, even where the other side fails."""
    return _decided(left, right, by=False)


def _decided(left: Callable[[], bool], right: Callable[[], bool], *, by: bool) -> bool:
    try:
        found = left()
    except (EvaluationError, KeyError, TypeError, ValueError, AttributeError):
        if right() is by:
            return by
        raise
    return found if found is by else right()


def _unlike(compare: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    """The comparison, in which the empty text is like itself alone: it is what an absent attribute is."""

    def equal(one: str, other: str) -> bool:
        return compare(one, other) if one and other else one == other

    return equal


same_dns, same_uri = _unlike(dns_equal), _unlike(uri_equal)


def divided(one: int, other: int) -> int:
    """Towards zero, as Go does it."""
    if other == 0:
        raise EvaluationError("divide by zero")
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def remainder(one: int, other: int) -> int:
    """With the sign of what is divided."""
    if other == 0:
        raise EvaluationError("modulus by zero")
    found = abs(one) % abs(other)
    return -found if one < 0 else found


def quotient(one: float, other: float) -> float:
    if other:
        return one / other
    return float("nan") if one == 0 or one != one else float("inf") * (1 if one > 0 else -1)


def reversed_text(text: str) -> str:
    return text[::-1]


def duration(text: str) -> Duration:
    found = parse_duration(text)
    if found is None:
        raise EvaluationError(f"{text!r} is no duration")
    return Duration(found)


def later(moment: int, span: int) -> Timestamp:
    return Timestamp(moment + span)


def span(number: int) -> Duration:
    return Duration(number)


def whole(value: Any) -> int:
    """int(...) of a number, a text or a moment (its seconds)."""
    try:
        found = value // SECOND if isinstance(value, Timestamp) else int(value)
    except (ValueError, OverflowError):
        raise EvaluationError(f"{value!r} is no integer") from None
    if not -(2**63) <= found < 2**63:
        raise EvaluationError("integer overflow")
    return int(found)


def unsigned(value: Any) -> int:
    found = whole(value)
    if found < 0:
        raise EvaluationError(f"{value!r} is below zero")
    return found


def real(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise EvaluationError(f"{value!r} is no number") from None


def text_of(value: Any) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise EvaluationError("the bytes are no text") from None


def untyped(kind: str) -> object:
    """1.4 cannot say the type of a map of texts."""
    raise EvaluationError(f"cannot convert {kind} to CEL types")


def unsized() -> int:
    """Nor its size: which keys there are is not what an answer may rest on."""
    raise EvaluationError("size not implemented on stringmaps")


def unequal(one: object, other: object) -> bool:
    """Nor whether two are equal."""
    raise EvaluationError("stringmap does not support equality")


_PARTS: Mapping[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}
PARTS = frozenset(_PARTS)
_UNITS = {"getHours": 3600 * SECOND, "getMinutes": 60 * SECOND, "getSeconds": SECOND, "getMilliseconds": MILLISECOND}
UNITS = frozenset(_UNITS)


def part_of(name: str, moment: int, zone: str = "UTC") -> int:
    """A part of a moment, in the zone of this name."""
    try:
        local = (_EPOCH + timedelta(microseconds=moment // 1000)).astimezone(ZoneInfo(zone))
    except (OverflowError, ValueError, OSError, KeyError):
        raise EvaluationError(f"there is no such moment in the zone {zone!r}") from None
    return _PARTS[name](local)


def units_of(name: str, span: int) -> int:
    """A span of time in whole units."""
    return divided(span, _UNITS[name])
