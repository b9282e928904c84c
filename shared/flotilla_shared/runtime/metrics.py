"""A service's own metrics, in a registry of its own so that several services can live in one process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class ServiceMetrics:
    """Counters, gauges and histograms of one service.

    A counter keeps exactly the name it is given: Istio's names, which dashboards know, do not end in `_total`.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self._counters: list[str] = []

    def counter(self, name: str, text: str, labels: Iterable[str] = ()) -> Counter:
        if not name.endswith("_total"):
            self._counters.append(name)
        return Counter(name, text, tuple(labels), registry=self.registry)

    def gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, text, tuple(labels), registry=self.registry)

    def histogram(
        self, name: str, text: str, labels: Iterable[str] = (), buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        return Histogram(name, text, tuple(labels), registry=self.registry, buckets=buckets)

    def register(self, collector: Collector, counters: Iterable[str] = ()) -> None:
        """Show what a collector has, too. `counters` are names of its counters that do not end in `_total`."""
        self._counters += counters
        self.registry.register(collector)

    def render(self) -> bytes:
        """Prometheus' text format, as `/metrics` serves it."""
        text = prometheus_client.generate_latest(self.registry)
        for name in self._counters:
            text = text.replace(f"{name}_total".encode(), name.encode())
        return text
