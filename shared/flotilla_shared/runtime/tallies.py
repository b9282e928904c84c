"""Counters that cost next to nothing where they count: plain numbers, made into metrics when somebody reads the page.

All of it belongs to the event loop: who counts and who reads run there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

    def found(self) -> tuple[Sequence[int], float]:
        """Values up to each bound and above the last, not added up; and the sum of all."""
        return list(self._found), self.total


@dataclass(frozen=True, slots=True)
class TallyBounds:
    """Upper bounds of the histograms of a `MethodTally`: milliseconds, and bytes."""

    milliseconds: Sequence[float] = ()
    sizes: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class MethodTally:
    """What has become of one method's calls, since the start. Histograms: values up to each bound and above the last, and
    the sum of all.
    """

    method: str
    completed: Mapping[str, int]
    milliseconds: tuple[Sequence[int], float]
    received: tuple[Sequence[int], float]
    sent: tuple[Sequence[int], float]


class CallTally:
    """Counts the unary calls of one method."""

    __slots__ = ("_completed", "_milliseconds", "_received", "_sent", "method")

    def __init__(self, method: str, bounds: TallyBounds) -> None:
        self.method = method
        self._completed: dict[str, int] = {}
        self._milliseconds = Distribution(bounds.milliseconds)
        self._received, self._sent = Distribution(bounds.sizes), Distribution(bounds.sizes)

    def ended(self, status: str, seconds: float, received: int, sent: int | None) -> None:
        """A call that took so long has ended with the name of a status. Bytes of the message, and of the answer if there
        is one.
        """
        self._completed[status] = self._completed.get(status, 0) + 1
        self._milliseconds.add(seconds * 1000)
        self._received.add(received)
        if sent is not None:
            self._sent.add(sent)

    def tally(self) -> MethodTally:
        """What was counted until now."""
        histograms = self._milliseconds.found(), self._received.found(), self._sent.found()
        return MethodTally(self.method, dict(self._completed), *histograms)
