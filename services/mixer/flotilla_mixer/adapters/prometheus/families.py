"""Metric families, and the one place where all prometheus handlers have theirs.

A family lives as long as some handler refers to it, so a changed handler that still has a metric goes on with
its values; a metric that is written differently begins anew, and the others do not.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from flotilla_mixer.adapters.prometheus.names import bucket_bounds, metric_name, sanitise
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params

Kind = Params.MetricInfo.Kind
Labels = tuple[str, ...]


class Family:
    """One metric with all its label sets. `touched` remembers when each was last written, for expiry."""

    def __init__(self, info: Any, registry: CollectorRegistry) -> None:
        self.name = metric_name(info)
        self.kind = info.kind
        self.labels: Labels = tuple(map(sanitise, info.label_names))
        self._collector = _collector(self.name, info, self.labels, registry)
        self._registry = registry
        self._children: dict[Labels, Any] = {}
        self._touched: dict[Labels, float] = {}

    def __len__(self) -> int:
        return len(self._children)

    def record(self, rows: Iterable[tuple[Labels, float]]) -> None:
        """Write values. Raises ValueError for a counter that would fall."""
        now = time.monotonic()
        if self.kind == Kind.COUNTER:
            rows = _summed(rows)
        for labels, value in rows:
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._collector.labels(*labels) if labels else self._collector
            self._touched[labels] = now
            if self.kind == Kind.COUNTER:
                child.inc(value)
            elif self.kind == Kind.GAUGE:
                child.set(value)
            else:
                child.observe(value)

    def expire(self, before: float) -> int:
        """Forget label sets that were last written before this time (monotonic); a later use begins at 0."""
        old = [labels for labels, seen in self._touched.items() if seen < before and labels]
        for labels in old:
            self._collector.remove(*labels)
            del self._children[labels], self._touched[labels]
        return len(old)

    def close(self) -> None:
        self._registry.unregister(self._collector)


def _summed(rows: Iterable[tuple[Labels, float]]) -> Iterable[tuple[Labels, float]]:
    """One addition a label set: a message often has many entries of one."""
    sums: dict[Labels, float] = {}
    for labels, value in rows:
        sums[labels] = sums.get(labels, 0.0) + value
    return sums.items()


def _collector(name: str, info: Any, labels: Labels, registry: CollectorRegistry) -> Any:
    text = info.description or info.name or info.instance_name
    if info.kind == Kind.COUNTER:
        return Counter(name, text, labels, registry=registry)
    if info.kind == Kind.GAUGE:
        return Gauge(name, text, labels, registry=registry)
    return Histogram(name, text, labels, registry=registry, buckets=bucket_bounds(info.buckets))


class FamilyStore:
    """The families of all handlers, counted by their users."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._families: dict[str, tuple[bytes, Family]] = {}
        self._users: dict[bytes, int] = {}

    def acquire(self, infos: Sequence[Any]) -> list[Family]:
        """The families of these definitions; those that are there already as written go on. Raises ValueError."""
        taken: list[Any] = []
        try:
            return [self._take(info, taken) for info in infos]
        except ValueError:
            self.release(taken)
            raise

    def _take(self, info: Any, taken: list[Any]) -> Family:
        written, name = info.SerializeToString(deterministic=True), metric_name(info)
        known = self._families.get(name)
        if known is not None and known[0] != written:
            known[1].close()  # the handler that wrote it so is about to be closed, or wrote the same name
            known = None
        if known is None:
            known = self._families[name] = (written, Family(info, self.registry))
        self._users[written] = self._users.get(written, 0) + 1
        taken.append(info)
        return known[1]

    def release(self, infos: Iterable[Any]) -> None:
        """A handler needs them no longer."""
        for info in infos:
            written, name = info.SerializeToString(deterministic=True), metric_name(info)
            self._users[written] = self._users.get(written, 1) - 1
            if self._users[written] > 0:
                continue
            del self._users[written]
            known = self._families.get(name)
            if known is not None and known[0] == written:
                known[1].close()
                del self._families[name]

    def expire(self, before: float) -> int:
        return sum(family.expire(before) for _, family in self._families.values())

    def bare_counters(self) -> list[str]:
        """Counters whose name does not end in `_total`: the library would show it with that ending."""
        found = (family for _, family in self._families.values())
        return [each.name for each in found if each.kind == Kind.COUNTER and not each.name.endswith("_total")]

    def series(self) -> int:
        return sum(len(family) for _, family in self._families.values())
