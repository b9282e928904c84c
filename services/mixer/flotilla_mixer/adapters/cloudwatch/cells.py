"""Values of one series in one period of time, merged: what becomes one datum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flotilla_mixer.adapters.cloudwatch.series import MOST, Series

MOST_VALUES = 150  # different ones of a datum
MOST_CELLS = 10_000
MOST_VALUES_KEPT = 200_000  # different ones of all cells, about 20 MB


@dataclass(slots=True, eq=False)
class Values:
    """Each value and how often it came: CloudWatch can give percentiles of it."""

    series: Series
    begin: int  # of its period, in seconds since 1970
    entries: int = 0
    counts: dict[float, int] = field(default_factory=dict)

    def add(self, value: float) -> bool:
        """False when it is full: another cell takes the value."""
        known = self.counts.get(value)
        if known is None and len(self.counts) >= MOST_VALUES:
            return False
        self.counts[value] = (known or 0) + 1
        self.entries += 1
        return True


@dataclass(slots=True, eq=False)
class StatisticSet:
    """Number, sum, least and most: always of the same size, and without percentiles."""

    series: Series
    begin: int
    entries: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def add(self, value: float) -> bool:
        """False when the sum would be more than CloudWatch takes."""
        total = self.total + value
        if not -MOST <= total <= MOST:
            return False
        self.least = min(self.least, value) if self.entries else value
        self.most = max(self.most, value) if self.entries else value
        self.total = total
        self.entries += 1
        return True


Cell = Values | StatisticSet


def entries_of(cells: Sequence[Cell]) -> int:
    """How many rows were merged into them."""
    return sum(cell.entries for cell in cells)


class Cells:
    """All cells of a handler since they were drained. Bounded: what has no room is told, and not taken."""

    def __init__(self, most: int = MOST_CELLS, most_values: int = MOST_VALUES_KEPT) -> None:
        self._open: dict[tuple[Series, int], Cell] = {}
        self._full: list[Cell] = []
        self._most, self._most_values = most, most_values
        self._values = 0  # different ones, of all cells

    def add(self, series: Series, seconds: float, value: float) -> bool:
        """A value that came at this time. False when it would need a cell and there are too many."""
        begin = int(seconds) // series.resolution * series.resolution
        cell = self._open.get((series, begin))
        if cell is not None:
            before = len(cell.counts) if isinstance(cell, Values) else 0
            if cell.add(value):
                self._values += len(cell.counts) - before if isinstance(cell, Values) else 0
                return True
        return self._begin(series, begin, value, cell)

    def _begin(self, series: Series, begin: int, value: float, full: Cell | None) -> bool:
        """A new cell with this value, in the place of one that is full. Where too many different values are kept it is a
        statistic set: its numbers are true, and only percentiles are lost.
        """
        if len(self._open) + len(self._full) >= self._most:
            return False
        if full is not None:
            self._full.append(full)
        as_set = series.as_set or self._values >= self._most_values
        cell: Cell = StatisticSet(series, begin) if as_set else Values(series, begin)
        cell.add(value)
        self._values += not as_set
        self._open[series, begin] = cell
        return True

    def drain(self) -> Sequence[Cell]:
        """All of them, oldest period first; then there are none."""
        found = sorted((*self._full, *self._open.values()), key=lambda cell: cell.begin)
        self._open, self._full, self._values = {}, [], 0
        return found
