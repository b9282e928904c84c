"""Rows of `metric` as values of CloudWatch's metrics: which metric, with which dimensions, and the number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.kit.text import number_of, text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.cloudwatch.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration

Unit = Params.MetricDatum.Unit
Statistics = Params.MetricDatum.Statistics
VALUE, DIMENSIONS = 0, 2  # places in a row
MOST_DIMENSIONS = 30
LONGEST_NAME, LONGEST_VALUE = 255, 1024
MOST = 2.0**360  # as PutMetricData's page has it: from -2^360 to 2^360
MOST_REMEMBERED = 10_000
USUAL_RESOLUTION = 60  # seconds
NANOSECONDS_OF = {Unit.Seconds: 10**9, Unit.Milliseconds: 10**6, Unit.Microseconds: 10**3}
_NOT_IN_TEXTS = re.compile(r"[^\x20-\x7e]")


def unit_name(unit: int) -> str:
    """As CloudWatch writes it: Count_Second is Count/Second."""
    return Unit.Name(unit).replace("_Second", "/Second")


def fit_value(value: object) -> str:
    """A dimension's value as CloudWatch takes it; empty for one that says nothing, which is left out."""
    return _NOT_IN_TEXTS.sub("?", text_of(value)[:LONGEST_VALUE]).strip()


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A metric with its dimensions: what CloudWatch keeps values of. `resolution` in seconds."""

    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    resolution: int = USUAL_RESOLUTION
    as_set: bool = False


class SeriesReader:
    """The rows of one instance."""

    def __init__(self, spec: InstanceSpec, info: Any) -> None:
        self._spec = spec
        self._names = spec.names.get("dimensions", ())
        self._name = info.metric_name or spec.name
        self._unit = unit_name(info.unit)
        self._resolution = info.storage_resolution or USUAL_RESOLUTION
        self._as_set = info.statistics == Statistics.STATISTIC_SET
        self._digits = info.significant_digits
        self._nanoseconds = NANOSECONDS_OF.get(info.unit)
        self._known: dict[tuple[object, ...], Series] = {}  # those that were made already

    def read(self, row: Any) -> tuple[Series, float]:
        """Of one row. Raises ValueError or TypeError for one that has no such value."""
        value = self._number(row[VALUE])
        if self._digits:
            value = float(f"{value:.{self._digits}g}")
        if not -MOST <= value <= MOST:
            raise ValueError(f"{value:g} is out of the range of {self._spec.name}: up to 2^360")
        return self._series(row[DIMENSIONS]), value

    def _number(self, value: object) -> float:
        if isinstance(value, Duration):
            if self._nanoseconds is None:
                raise ValueError(f"the unit of {self._spec.name} is none of time, and its value is a duration")
            return value / self._nanoseconds
        try:
            return number_of(value)
        except OverflowError:
            return math.inf

    def _series(self, dimensions: tuple[object, ...]) -> Series:
        try:
            found = self._known.get(dimensions)
        except TypeError:  # a map among them
            return self._made(dimensions)
        if found is None:
            found = self._made(dimensions)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[dimensions] = found
        return found

    def _made(self, dimensions: tuple[object, ...]) -> Series:
        fitted = ((name, fit_value(value)) for name, value in zip(self._names, dimensions, strict=True))
        kept = tuple((name, value) for name, value in fitted if value)
        return Series(self._name, kept, self._unit, self._resolution, self._as_set)
