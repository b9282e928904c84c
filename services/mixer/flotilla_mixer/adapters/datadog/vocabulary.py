"""Datadog's own words: names of metrics, tags, and how bad a log entry is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flotilla_mixer.kit.text import text_of

LONGEST_NAME = LONGEST_TAG = 200  # Datadog's own limits
# What would end a name, a tag, or the line that they are in.
_NOT_IN_NAMES = re.compile(r"[:|@#,\s\x00-\x1f\x7f]")
_NOT_IN_TAGS = re.compile(r"[|,\x00-\x1f\x7f]")
ERRORS = frozenset(("emergency", "alert", "critical", "fatal", "error"))
WARNINGS = frozenset(("warning", "warn"))
SUCCESSES = frozenset(("success", "ok"))
QUIET = frozenset(("info", "notice", "debug", "trace", "default", ""))


def encodable(text: str) -> str:
    """Without halves of characters, which nothing can carry."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def fit_name(name: str) -> str:
    """A name as Datadog can read it."""
    return encodable(_NOT_IN_NAMES.sub("_", name[:LONGEST_NAME]))


def full_name(prefix: str, name: str) -> str:
    """The name of a metric, with a dot after the prefix if there is one."""
    return fit_name(f"{prefix.rstrip('.')}.{name}" if prefix else name)


def fit_tag(name: str, value: str) -> str:
    """`name:value`, as Datadog can read it."""
    return encodable(_NOT_IN_TAGS.sub("_", f"{fit_name(name)}:{value}"[:LONGEST_TAG]))


def fit_word(text: str) -> str:
    """A text that stands between two bars."""
    return encodable(_NOT_IN_TAGS.sub("_", text[:LONGEST_TAG]))


class TagMaker:
    """The tags of an instance's rows: some of its values by their names, and fixed ones that these go before."""

    def __init__(self, names: Sequence[str], tags: Mapping[str, str], chosen: Sequence[str] | None = None) -> None:
        """`names` are those of a row's values; all of them are tags, or only the `chosen`."""
        taken = names if chosen is None else chosen
        self._places = [(name, place) for place, name in enumerate(names) if name in taken]
        self._fixed = {name: value for name, value in tags.items() if name not in taken}
        self._number = len(names)

    def tags(self, values: Sequence[Any]) -> list[str]:
        """Sorted by their names. Raises ValueError for a row with another number of values."""
        if len(values) != self._number:
            raise ValueError(f"{len(values)} values do not fit {self._number} names")
        found = {name: text_of(values[place]) for name, place in self._places}
        return [fit_tag(name, value) for name, value in sorted({**self._fixed, **found}.items())]


def alert_type(severity: object) -> str:
    """Of an event, by the severity of its log entry."""
    word = text_of(severity).lower()
    if word in ERRORS:
        return "error"
    if word in WARNINGS:
        return "warning"
    return "success" if word in SUCCESSES else "info"


def check_status(severity: object) -> int:
    """Of a service check: 0 fine, 1 a warning, 2 critical, 3 unknown."""
    word = text_of(severity).lower()
    if word in ERRORS:
        return 2
    if word in WARNINGS:
        return 1
    return 0 if word in SUCCESSES | QUIET else 3
