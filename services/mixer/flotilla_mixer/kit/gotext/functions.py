"""What templates may call, and how values are printed: as Go's package fmt prints those of attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flotilla_mixer.kit.gotext.errors import TemplateError
from flotilla_mixer.kit.text import text_of
from flotilla_shared.model.expressions import Duration, Timestamp

NO_VALUE = "<no value>"
LONGEST_RESULT = 1024 * 1024  # characters
WIDEST = 1000
_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<verb>.?)", re.S)
NANOSECONDS = 1_000_000_000


def printed(value: object) -> str:
    """As `{{value}}` shows it."""
    if value is None:
        return NO_VALUE
    if isinstance(value, Timestamp):
        return _moment(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{name}:{printed(value[name])}" for name in sorted(value)) + "]"
    return text_of(value)


def _moment(value: int) -> str:
    """As Go's time.Time prints itself: 2026-01-01 00:00:00.5 +0000 UTC."""
    seconds, rest = divmod(value, NANOSECONDS)
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
    return text + (f".{rest:09d}".rstrip("0") if rest else "") + " +0000 UTC"


def _number(value: float) -> str:
    """As %v has it: the shortest digits, with an exponent below 1e-4 and from 1e21."""
    if value != value or abs(value) == float("inf"):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        return text_of(value) if value or str(value)[0] != "-" else "-0"
    head, _, power = repr(value).partition("e")
    return f"{head.removesuffix('.0')}e{int(power):+03d}" if power else repr(value)


def truth(value: object) -> bool:
    """Whether `if` takes it: what is empty or zero is not true."""
    return value is not None and bool(value)


def _same_kind(first: object, second: object) -> None:
    kinds = [_kind(each) for each in (first, second)]
    if kinds[0] != kinds[1] or kinds[0] is None:
        raise TemplateError(f"{printed(first)!r} and {printed(second)!r} cannot be compared")


def _kind(value: object) -> str | None:
    for kind, types in (("flag", bool), ("whole", int), ("number", float), ("text", str)):
        if isinstance(value, types):
            return kind
    return None


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("eq needs two arguments")
    for other in others:
        _same_kind(first, other)
    return first in others


def _compare(first: Any, second: Any) -> int:
    _same_kind(first, second)
    if isinstance(first, bool):
        raise TemplateError("flags have no order")
    return int(first > second) - int(first < second)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if isinstance(value, (bytes, Mapping, tuple, list)):
        return len(value)
    raise TemplateError(f"{printed(value)!r} has no length")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif isinstance(value, (str, bytes, tuple, list)) and type(key) is int:
            found = value.encode() if isinstance(value, str) else value
            if not 0 <= key < len(found):
                raise TemplateError(f"the index {key} is out of range")
            value = found[key]
        else:
            raise TemplateError(f"{printed(value)!r} has no index")
    return value


def _print(*values: Any) -> str:
    """As Go's Sprint: a blank between two values that are no texts."""
    text = ""
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            text += " "
        text += _said(value)
    return text


def _said(value: object) -> str:
    """As the functions print: nothing is `<nil>` there."""
    return "<nil>" if value is None else printed(value)


def _printf(form: Any, *values: Any) -> str:
    if not isinstance(form, str):
        raise TemplateError("printf needs a text first")
    left, found = list(values), []
    position = 0
    for verb in _VERB.finditer(form):
        found.append(form[position : verb.start()])
        position = verb.end()
        found.append(_verb(verb, left))
    found.append(form[position:])
    if left:
        found.append("%!(EXTRA " + ", ".join(f"{_go_type(each)}={_said(each)}" for each in left) + ")")
    return "".join(found)


def _verb(found: re.Match[str], left: list[Any]) -> str:
    verb = found["verb"]
    if verb == "%":
        return "%"
    if not verb:
        return "%!(NOVERB)"
    if not left:
        return f"%!{verb}(MISSING)"
    value = left.pop(0)
    text = _formatted(verb, value, found["flags"], found["precision"])
    width = int(found["width"] or 0)
    if width > WIDEST:
        raise TemplateError(f"a width of {width} is too much")
    if "-" in found["flags"]:
        return text.ljust(width)
    fills = "0" in found["flags"] and verb in "dfgex" and not isinstance(value, str)
    return text.zfill(width) if fills else text.rjust(width)


def _formatted(verb: str, value: Any, flags: str, precision: str | None) -> str:
    digits = min(int(precision or 0), WIDEST) if precision is not None else None
    plus = "+" if "+" in flags else ""
    whole = isinstance(value, int) and not isinstance(value, bool)
    match verb:
        case "v":
            return _said(value)
        case "s" if isinstance(value, (str, bytes, Duration, Timestamp)):
            return printed(value)[:digits]
        case "q" if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        case "d" if whole:
            return format(int(value), f"{plus}d")
        case "x" if whole:
            return format(int(value), f"{plus}x")
        case "x" if isinstance(value, str):
            return value.encode().hex()
        case "t" if isinstance(value, bool):
            return printed(value)
        case "f" | "e" | "g" if isinstance(value, float):
            return _real(verb, value, plus, digits)
    return f"%!{verb}({_go_type(value)}={_said(value)})"


def _real(verb: str, value: float, plus: str, digits: int | None) -> str:
    if verb == "g" and digits is None:
        return ("+" if plus and value >= 0 else "") + _number(value)
    return format(value, f"{plus}.{6 if digits is None else digits}{verb}")


def _go_type(value: object) -> str:
    names = {"flag": "bool", "whole": "int64", "number": "float64", "text": "string", None: "<nil>"}
    if isinstance(value, Duration):
        return "time.Duration"
    return names[_kind(value)]


# `and` and `or` are the runner's: they do not look at all of their arguments.
FUNCTIONS: Mapping[str, Callable[..., Any] | None] = {
    "and": None,
    "or": None,
    "not": lambda value: not truth(value),
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": lambda first, second: _compare(first, second) < 0,
    "le": lambda first, second: _compare(first, second) <= 0,
    "gt": lambda first, second: _compare(first, second) > 0,
    "ge": lambda first, second: _compare(first, second) >= 0,
    "len": _length,
    "index": _index,
    "print": _print,
    "println": lambda *values: " ".join(map(_said, values)) + "\n",
    "printf": _printf,
}
