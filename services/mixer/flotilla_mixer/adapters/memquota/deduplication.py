"""Which calls are repetitions of one that was answered."""

from __future__ import annotations

from typing import NamedTuple

LIMIT = 100_000


class Granted(NamedTuple):
    """What a call got, and until when that holds (0: without end)."""

    amount: int
    until: float


class Deduplication:
    """Remembers answers by identifier, each for one to two times `seconds`. Bounded: what is too much is forgotten."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._young: dict[str, Granted] = {}
        self._old: dict[str, Granted] = {}
        self._turned = 0.0

    def find(self, identifier: str, now: float) -> Granted | None:
        self._turn(now)
        return self._young.get(identifier) or self._old.get(identifier)

    def keep(self, identifier: str, granted: Granted, now: float) -> None:
        self._turn(now)
        self._young[identifier] = granted

    def _turn(self, now: float) -> None:
        passed = now - self._turned
        if passed >= self._seconds or len(self._young) >= LIMIT:
            self._old = self._young if passed < 2 * self._seconds else {}
            self._young = {}
            self._turned = now
