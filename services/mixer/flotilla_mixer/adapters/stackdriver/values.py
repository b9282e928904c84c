"""Values of a metric: how they are read from rows, how those of one series are merged, and how a point is written.

A cell is a list: how many rows it stands for, when the first came (ns), and what its kind keeps of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from math import isfinite
from typing import Any

from google.api.distribution_pb2 import Distribution
from google.api.metric_pb2 import MetricDescriptor

from flotilla_mixer.adapters.stackdriver.buckets import Buckets
from flotilla_mixer.adapters.stackdriver.wire import clean
from flotilla_mixer.kit.text import text_of
from flotilla_shared.model.expressions import Duration, Timestamp

Kind, Type = MetricDescriptor.MetricKind, MetricDescriptor.ValueType
ROWS, FIRST, VALUE, MEAN, DEVIATION = range(5)
Cell = list[Any]
MICROSECOND, MILLISECOND = 1_000, 1_000_000
MOST = 2**63 - 1
LONGEST_TEXT = 1_000


def whole(value: object) -> int:
    """Durations and times in microseconds (mixer.md 5.14)."""
    if isinstance(value, (Duration, Timestamp)):
        return value // MICROSECOND
    if isinstance(value, bool) or not isinstance(value, int) or not -MOST <= value <= MOST:
        raise ValueError(f"{text_of(value)[:100]!r} is no whole number of 64 bits")
    return value


def number(value: object) -> float:
    """Durations in milliseconds."""
    if isinstance(value, Duration):
        return value / MILLISECOND
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MOST <= value <= MOST:
        raise ValueError(f"{text_of(value)[:100]!r} is no number that can be summed")
    return float(value)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{text_of(value)[:100]!r} is neither true nor false")  # noqa: TRY004  # as of any misfit
    return value


def text(value: object) -> str:
    return clean(text_of(value), LONGEST_TEXT)


class Shape:
    """How values of one type and kind are merged. `merges` of a gauge means that the last value stays."""

    read: Callable[[object], Any]

    def new(self, now: int) -> Cell:
        return [0, now, 0]

    def merge(self, cell: Cell, value: Any) -> None:
        """Raises ValueError for a value that does not fit; then the cell is as it was."""
        raise NotImplementedError

    def write(self, cell: Cell, typed_value: Any) -> None:
        """Into google.monitoring.v3.TypedValue."""
        raise NotImplementedError


class Scalar(Shape):
    """One value: the sum of all, or the last."""

    def __init__(self, read: Callable[[object], Any], field: str, sums: bool) -> None:
        self.read = read
        self._field = field
        self._sums = sums
        if sums:
            self.merge = self._add  # type: ignore[method-assign]

    def _add(self, cell: Cell, value: Any) -> None:
        cell[VALUE] += value if type(value) is int and -MOST <= value <= MOST else self.read(value)
        cell[ROWS] += 1

    def merge(self, cell: Cell, value: Any) -> None:
        cell[VALUE] = self.read(value)
        cell[ROWS] += 1

    def write(self, cell: Cell, typed_value: Any) -> None:
        value = cell[VALUE]
        if self._field == "int64_value":
            value = max(-MOST, min(MOST, value))
        setattr(typed_value, self._field, value)


class Spread(Shape):
    """A distribution: values by bucket, with their mean and the sum of squared deviations (Welford's way)."""

    def __init__(self, buckets: Buckets) -> None:
        self.read = number
        self._bounds = buckets.bounds
        self._options = buckets.options

    def new(self, now: int) -> Cell:
        return [0, now, [0] * (len(self._bounds) + 1), 0.0, 0.0]

    def merge(self, cell: Cell, value: Any) -> None:
        found = number(value)
        cell[VALUE][bisect_right(self._bounds, found)] += 1
        cell[ROWS] += 1
        off = found - cell[MEAN]
        cell[MEAN] += off / cell[ROWS]
        cell[DEVIATION] += off * (found - cell[MEAN])

    def write(self, cell: Cell, typed_value: Any) -> None:
        typed_value.distribution_value.CopyFrom(
            Distribution(
                count=cell[ROWS],
                mean=cell[MEAN],
                sum_of_squared_deviation=cell[DEVIATION] if isfinite(cell[DEVIATION]) else 0.0,
                bucket_options=self._options,
                bucket_counts=cell[VALUE],
            )
        )


SCALARS: dict[int, tuple[Callable[[object], Any], str]] = {
    Type.INT64: (whole, "int64_value"),
    Type.DOUBLE: (number, "double_value"),
    Type.BOOL: (flag, "bool_value"),
    Type.STRING: (text, "string_value"),
}


def shape_of(info: Any) -> Shape:
    """Of a MetricInfo that was validated."""
    if info.value == Type.DISTRIBUTION:
        return Spread(Buckets(info.buckets))
    read, field = SCALARS[info.value]
    return Scalar(read, field, sums=info.kind != Kind.GAUGE)
