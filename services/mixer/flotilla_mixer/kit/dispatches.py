"""What was asked of handlers, and how long they took: 1.4's `mixer/runtime` and `mixer/dispatcher`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from flotilla_shared.runtime.tallies import Distribution

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20)
LABELS = ("meshFunction", "handler", "adapter", "error")
PREFIX = "mixer_runtime_dispatch"


class Dispatches:
    """Calls of one handler for one template: those that went well, and those that did not."""

    __slots__ = ("failed", "well")

    def __init__(self) -> None:
        self.well = Distribution(SECONDS)
        self.failed = Distribution(SECONDS)

    def add(self, failed: bool, seconds: float) -> None:
        (self.failed if failed else self.well).add(seconds)


class DispatchCounts(Collector):
    """All of them. `variety` -> destinations is set when a configuration is put to work."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Dispatches] = {}
        self._destinations, self._instances = Distribution(NUMBERS), Distribution(NUMBERS)
        self.per_variety: Mapping[str, int] = {}

    def of(self, template: str, handler: str, adapter: str) -> Dispatches:
        """Those of a handler by the name that people read; the same again for the handler that takes its place."""
        return self._found.setdefault((template, handler, adapter), Dispatches())

    def calls_of(self, handler: str) -> tuple[int, int]:
        """How often a handler was asked, by the name that people read, and how often that failed."""
        found = [each for (_, name, _), each in self._found.items() if name == handler]
        failed = sum(each.failed.number for each in found)
        return failed + sum(each.well.number for each in found), failed

    def request(self, destinations: int, instances: int) -> None:
        """So many handlers were asked for one request, about so many instances."""
        self._destinations.add(destinations)
        self._instances.add(instances)

    def collect(self) -> Iterator[Metric]:
        number = CounterMetricFamily(f"{PREFIX}es", "Calls of handlers", labels=LABELS)
        seconds = HistogramMetricFamily(
            f"{PREFIX}_duration_seconds", "Time that handlers took for a call", labels=LABELS
        )
        for labels, found in self._found.items():
            for error, each in (("false", found.well), ("true", found.failed)):
                if each.number:
                    number.add_metric([*labels, error], each.number)
                    seconds.add_metric([*labels, error], each.buckets(), each.total)
        varieties = GaugeMetricFamily(
            "mixer_dispatcher_destinations_per_variety_total",
            "Handlers in the dispatch table of the configuration, by variety of template",
            labels=["variety"],
        )
        for variety, found_number in self.per_variety.items():
            varieties.add_metric([variety], found_number)
        yield from (number, seconds, varieties)
        yield _numbers("destinations", "Handlers asked for one request", self._destinations)
        yield _numbers("instances", "Instances made for one request", self._instances)


def _numbers(what: str, text: str, found: Distribution) -> Metric:
    return HistogramMetricFamily(
        f"mixer_dispatcher_{what}_per_request", text, buckets=found.buckets(), sum_value=found.total
    )
