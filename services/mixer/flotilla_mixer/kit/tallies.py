"""Counters that cost next to nothing where they count: plain numbers, made into metrics when somebody reads the page.

All of it belongs to the event loop: who counts and who reads run there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

Buckets = list[tuple[str, float]]


class Distribution:
    """A histogram. `bounds` are upper bounds, inclusive, in order."""

    __slots__ = ("_bounds", "_found", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._found = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float, times: int = 1) -> None:
        self._found[bisect_left(self._bounds, value)] += times
        self.total += value * times

    def merge(self, found: Sequence[int], total: float) -> None:
        """What was counted elsewhere within the same bounds."""
        self._found = [own + other for own, other in zip(self._found, found, strict=True)]
        self.total += total

    @property
    def number(self) -> int:
        return sum(self._found)

    def buckets(self) -> Buckets:
        """(upper bound, values up to it), as prometheus_client takes them."""
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._found), strict=True))
