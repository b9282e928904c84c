"""Rows of `metric` into series."""

from __future__ import annotations

import time
from typing import Any

from flotilla_mixer.adapters.prometheus.exemplars import ExemplarMaker
from flotilla_mixer.adapters.prometheus.families import Family
from flotilla_mixer.adapters.prometheus.series import Series
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.text import number_of, text_of

VALUE, DIMENSIONS = 0, 2  # places in a row
SPARE = 1000  # series that are gone and remembered, beside as many as there are


class RowWriter:
    """Writes the rows of one instance into one family. `order` says where each label is among the dimensions, of which there
    must be `width`. A series is looked for by its labels' texts once, and then by the dimensions as they come; where some of
    these make exemplars each call has its own, and its labels are looked for each time.
    """

    def __init__(
        self, family: Family, order: tuple[int, ...], width: int, exemplars: ExemplarMaker | None = None
    ) -> None:
        self.family = family
        self.exemplars = exemplars
        self._order = order
        self._width = width
        self._known: dict[tuple[object, ...], Series] = {}

    def write(self, batch: ReportBatch, wrong: list[str]) -> int:
        """How many values had no room, which is counted; what is wrong with rows goes to `wrong`, and the others are written."""
        if self.exemplars is not None:
            return self._write_with_exemplars(batch, wrong, self.exemplars)
        now, dropped, known = time.monotonic(), 0, self._known
        write, (low, high) = self.family.shape.write, self.family.shape.range
        for row in batch.rows:
            value = row[VALUE]
            try:
                number = float(value) if type(value) is int else number_of(value)
                if not low <= number <= high:
                    self.family.shape.fit(number)
                try:
                    series = known.get(row[DIMENSIONS])
                    if series is None or series.gone:
                        series = self._find(row[DIMENSIONS])
                except TypeError:  # a map among the dimensions
                    series = self.family.find(self._labels(row[DIMENSIONS]))
            except (ValueError, OverflowError) as error:
                wrong.append(f"could not get value for metric {batch.instance.name}: {error}")
                continue
            if series is None:
                dropped += 1
                continue
            series.touched = now
            write(series, number)
        if dropped:
            self.family.drop(dropped)
        return dropped

    def _write_with_exemplars(self, batch: ReportBatch, wrong: list[str], exemplars: ExemplarMaker) -> int:
        now, moment, dropped, shape = time.monotonic(), time.time(), 0, self.family.shape
        for row in batch.rows:
            try:
                number = shape.fit(number_of(row[VALUE]))
                series = self.family.find(self._labels(row[DIMENSIONS]))
            except (ValueError, OverflowError) as error:
                wrong.append(f"could not get value for metric {batch.instance.name}: {error}")
                continue
            if series is None:
                dropped += 1
                continue
            series.touched = now
            shape.write(series, number)
            if (exemplar := exemplars.make(row[DIMENSIONS], number, moment)) is not None:
                shape.exemplify(series, exemplar)
        if dropped:
            self.family.drop(dropped)
        return dropped

    def _find(self, dimensions: tuple[object, ...]) -> Series | None:
        found = self.family.find(self._labels(dimensions))
        if len(self._known) > 2 * len(self.family) + SPARE:
            self._known.clear()
        if found is not None:
            self._known[dimensions] = found
        return found

    def _labels(self, dimensions: Any) -> tuple[str, ...]:
        if len(dimensions) != self._width:
            raise ValueError(f"{len(dimensions)} dimensions do not fit its {self._width} labels")
        return tuple([text_of(dimensions[place]) for place in self._order])
