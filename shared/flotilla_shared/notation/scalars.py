"""What a scalar of YAML stands for: as Kubernetes has it, so that what is a number in JSON is one here, and a date is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
TEXT = f"{_TAG}str"
_NUMBER = re.compile(
    r"[-+]?(?:(0o[0-7]+|0x[0-9a-fA-F]+|0|[1-9][0-9]*)|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
)
_BEGINS_NUMBERS = frozenset("+-.0123456789")
_DIGITS = 4300  # as many as Python makes a number of in one go
_WORDS: Mapping[str, bool | None] = {
    **{each: True for word in ("yes", "true", "on") for each in (word, word.title(), word.upper())},
    **{each: False for word in ("no", "false", "off") for each in (word, word.title(), word.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}


def scalar_value(event: Any) -> Any:
    """A ScalarEvent's text, number, truth or None. Raises yaml.MarkedYAMLError."""
    if event.tag is None and not event.implicit[0]:
        return event.value
    try:
        if event.tag is None:
            return plain_value(event.value)
        make = _TAGGED.get(event.tag)
        if make is None:
            raise ValueError(f"no constructor for the tag {event.tag[:60]}")
        return make(event.value)
    except ValueError as error:
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=event.start_mark) from error


def plain_value(text: str) -> Any:
    """What a text without quotes and tag stands for. Raises ValueError for a number of too many digits."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _BEGINS_NUMBERS:  # as most words do: the pattern need not look at them
        return text
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return _whole(text) if found[1] else float(text)


def is_word(text: str) -> bool:
    """Whether it stands for true, false or null where it has no quotes."""
    return text in _WORDS


def key_text(value: Any) -> str | None:
    """A key as JSON has it; None for what can be none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return "null" if value is None else None


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text)} digits; at most {_DIGITS} are read")
    return int(text, 0)


def _number(text: str) -> int | float:
    value = plain_value(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{text[:60]!r} is no number")  # noqa: TRY004  # of text that is written wrong
    return value


def _truth(text: str) -> bool:
    value = _WORDS.get(text)
    if value is None:
        raise ValueError(f"{text[:60]!r} is neither true nor false")
    return value


_TAGGED: Mapping[str, Callable[[str], Any]] = {
    "!": str,
    TEXT: str,
    f"{_TAG}timestamp": str,
    f"{_TAG}int": lambda text: int(_number(text)),
    f"{_TAG}float": lambda text: float(_number(text)),
    f"{_TAG}bool": _truth,
    f"{_TAG}null": lambda text: None,
}
