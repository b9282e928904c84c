"""Checks that were answered, and how long that took: plain numbers, for they are counted with every Check."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from flotilla_shared.runtime.tallies import Distribution

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)


class CheckCounts(Collector):
    """Those of one Mixer."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._seconds = Distribution(SECONDS)

    def add(self, code: str, seconds: float) -> None:
        """One more, with the name of its code, answered so long after it came."""
        self._codes[code] = self._codes.get(code, 0) + 1
        self._seconds.add(seconds)

    def collect(self) -> Iterator[Metric]:
        number = CounterMetricFamily("mixer_checks", "Checks answered", labels=["code"])
        for code, found in self._codes.items():
            number.add_metric([code], found)
        yield number
        yield HistogramMetricFamily(
            "mixer_check_seconds",
            "Time from the arrival of a Check to its answer",
            buckets=self._seconds.buckets(),
            sum_value=self._seconds.total,
        )
