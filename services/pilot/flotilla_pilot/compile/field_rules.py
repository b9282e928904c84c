"""One field's rule (`validate.FieldRules`) as a function: a value to what is wrong with it, empty if nothing."""

import re
from collections.abc import Callable
from typing import Any

from google.protobuf.duration_pb2 import Duration

Check = Callable[[Any], str]

_HEADER_NAME, _HEADER_VALUE = 1, 2
_STRICT_NAME = re.compile(r":?[0-9a-zA-Z!#$%&'*+.^_|~`-]+")
_STRICT_VALUE = re.compile(r"[^\x00-\x08\x0A-\x1F\x7F]*")
_LOOSE = re.compile(r"[^\x00\n\r]*")
_LOOSE_NAME = re.compile(r"[^\x00\n\r]+")
_LONGEST_SECONDS = (2**63 - 1) // 10**9 - 1
_Comparison = Callable[[Any, Any], bool]
_COMPARISONS: dict[str, tuple[_Comparison, str]] = {
    "lt": (lambda value, limit: value < limit, "less than"),
    "lte": (lambda value, limit: value <= limit, "at most"),
    "gt": (lambda value, limit: value > limit, "more than"),
    "gte": (lambda value, limit: value >= limit, "at least"),
}


def check_of(rules: Any) -> Check:
    """The check of `rules`; kinds of rule that Envoy's API does not use for values pass everything."""
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string(rules.string)
    if kind == "bytes":
        return _length(rules.bytes, "min_len", "max_len", len)
    if kind == "duration":
        return _duration(rules.duration)
    if kind == "enum":
        return _members(rules.enum)
    if kind in ("float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64"):
        return _number(getattr(rules, kind))
    return _anything


def _anything(value: Any) -> str:
    return ""


def _all(*checks: Check) -> Check:
    held = [check for check in checks if check is not _anything]
    if not held:
        return _anything
    if len(held) == 1:
        return held[0]
    return lambda value: next((text for check in held if (text := check(value))), "")


def _string(rules: Any) -> Check:
    checks = [
        _length(rules, "min_len", "max_len", len),
        _length(rules, "min_bytes", "max_bytes", lambda value: len(value.encode())),
        _pattern(rules),
        _well_known(rules),
        _prefix(rules),
    ]
    check = _all(*checks, _members(rules))
    return (lambda value: check(value) if value else "") if rules.ignore_empty else check


def _length(rules: Any, least: str, most: str, measure: Callable[[Any], int]) -> Check:
    low, high = getattr(rules, least), getattr(rules, most)
    if not (low or high):
        return _anything

    def check(value: Any) -> str:
        length = measure(value)
        if length < low:
            return "must not be empty" if low == 1 else f"must be at least {low} long"
        return f"must be at most {high} long" if high and length > high else ""

    return check


def _pattern(rules: Any) -> Check:
    if not rules.pattern:
        return _anything
    pattern = re.compile(rules.pattern)
    return lambda value: "" if pattern.search(value) else f"must match {rules.pattern!r}"


def _prefix(rules: Any) -> Check:
    if not rules.prefix:
        return _anything
    return lambda value: "" if value.startswith(rules.prefix) else f"must begin with {rules.prefix!r}"


def _well_known(rules: Any) -> Check:
    strict = rules.strict or not rules.HasField("strict")
    if rules.well_known_regex == _HEADER_NAME:
        pattern, what = (_STRICT_NAME if strict else _LOOSE_NAME), "must be the name of a header"
    elif rules.well_known_regex == _HEADER_VALUE:
        pattern, what = (_STRICT_VALUE if strict else _LOOSE), "must have no line breaks or other control characters"
    else:
        return _anything
    return lambda value: "" if pattern.fullmatch(value) or not value else what


def _members(rules: Any) -> Check:
    allowed, refused = tuple(getattr(rules, "in")), tuple(rules.not_in)
    if not (allowed or refused):
        return _anything

    def check(value: Any) -> str:
        if allowed and value not in allowed:
            return f"must be one of {', '.join(str(each) for each in allowed)}"
        return f"must not be {value}" if value in refused else ""

    return check


def _number(rules: Any) -> Check:
    limits = [(*_COMPARISONS[name], getattr(rules, name)) for name in _COMPARISONS if rules.HasField(name)]
    check = _all(_limits(limits), _members(rules))
    return (lambda value: check(value) if value else "") if rules.ignore_empty else check


def _limits(limits: list[tuple[_Comparison, str, Any]]) -> Check:
    if not limits:
        return _anything

    def check(value: Any) -> str:
        return next((f"must be {words} {limit}" for holds, words, limit in limits if not holds(value, limit)), "")

    return check


def _duration(rules: Any) -> Check:
    """Envoy takes no negative duration anywhere, whatever the rule says."""
    named = [(name, getattr(rules, name)) for name in _COMPARISONS if rules.HasField(name)]
    limits = [(*_COMPARISONS[name], _nanos(limit)) for name, limit in named]

    def check(value: Any) -> str:
        broken = (
            f"must be {words} {limit / 1e9:g}s" for holds, words, limit in limits if not holds(_nanos(value), limit)
        )
        return duration_fault(value) or next(broken, "")

    return check


def duration_fault(value: Duration) -> str:
    if value.seconds < 0 or value.nanos < 0:
        return "must not be negative"
    return "" if value.seconds <= _LONGEST_SECONDS else "must be at most 292 years"


def _nanos(duration: Duration) -> int:
    return duration.seconds * 10**9 + duration.nanos
