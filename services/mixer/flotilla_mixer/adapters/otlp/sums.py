"""What values of one label set add up to, by kind of metric, and the points that say so.

`add` takes finite numbers. `merge` takes what came after into what was before. `point` gives the message, with everything but
times and attributes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from typing import Any, Protocol, Self

from flotilla_protos.flotilla.opentelemetry.metrics_pb2 import HistogramDataPoint, NumberDataPoint

LEAST_INT, MOST_INT = -(2**63), 2**63 - 1
Number = int | float


class Sum(Protocol):
    """One label set's values."""

    def add(self, value: Number) -> None: ...
    def merge(self, later: Self) -> None: ...
    def point(self) -> Any: ...


def number_point(value: Number) -> NumberDataPoint:
    """A whole number stays one as long as it has 64 bits."""
    if isinstance(value, int) and LEAST_INT <= value <= MOST_INT:
        return NumberDataPoint(as_int=value)
    return NumberDataPoint(as_double=value)


class Total:
    """A sum, monotonic or not."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Number = 0

    def add(self, value: Number) -> None:
        self._value += value

    def merge(self, later: Total) -> None:
        self._value += later._value

    def point(self) -> NumberDataPoint:
        return number_point(self._value)


class Last:
    """A gauge: the last value counts."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Number = 0

    def add(self, value: Number) -> None:
        self._value = value

    def merge(self, later: Last) -> None:
        self._value = later._value

    def point(self) -> NumberDataPoint:
        return number_point(self._value)


class Buckets:
    """A histogram. A bucket takes what is above the bound before and at most its own; the last has no bound."""

    __slots__ = ("_bounds", "_counts", "_least", "_most", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._least, self._most = inf, -inf

    def add(self, value: Number) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value
        if value < self._least:
            self._least = value
        if value > self._most:
            self._most = value

    def merge(self, later: Buckets) -> None:
        self._counts = [a + b for a, b in zip(self._counts, later._counts, strict=True)]
        self._sum += later._sum
        self._least, self._most = min(self._least, later._least), max(self._most, later._most)

    def point(self) -> HistogramDataPoint:
        """The sum is left out where values were below zero: it would fall, and readers take it for one that grows."""
        point = HistogramDataPoint(count=sum(self._counts), bucket_counts=self._counts, explicit_bounds=self._bounds)
        point.min, point.max = self._least, self._most
        if self._least >= 0:
            point.sum = self._sum
        return point
