"""What a check says, and the checks of a section."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flotilla_cli.health.cluster import Cluster


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, and may not tomorrow, or not as one thinks
    PROBLEM = "problem"
    SKIPPED = "skipped"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is one sentence; `mend` says what to do about it, and is empty where there is nothing to do."""

    level: Level
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def warning(text: str, mend: str) -> Finding:
    return Finding(Level.WARNING, text, mend)


def problem(text: str, mend: str) -> Finding:
    return Finding(Level.PROBLEM, text, mend)


def all_well(findings: list[Finding], text: str) -> list[Finding]:
    """The findings, or that there are none."""
    return findings or [ok(text)]


Look = Callable[["Cluster"], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One look. `about` names it where it cannot be done; where a fatal one finds a problem, nothing after it is looked at."""

    about: str
    look: Look
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    checks: Sequence[Check]


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of many names, and how many more."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
