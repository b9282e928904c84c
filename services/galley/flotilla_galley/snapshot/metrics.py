"""Metrics of publication, under the names that Istio 1.4's processor had."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla_galley.snapshot.snapshot import Snapshot
from flotilla_shared.runtime.metrics import ServiceMetrics

MILLISECONDS = (0, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000, 600_000, 3_600_000)
EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000)


class RuntimeMetrics:
    """An event is a change that a source told of; those of a quiet time make one snapshot."""

    def __init__(self, metrics: ServiceMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        counter, histogram = metrics.counter, metrics.histogram
        name = "galley_runtime_{}".format
        self._changes = counter(name("strategy_on_change_total"), "Changes that were told")
        self._longest = counter(name("strategy_timer_max_time_reached_total"), "Snapshots made before it was quiet")
        self._quiet = counter(name("strategy_timer_quiesce_reached_total"), "Snapshots made when it was quiet")
        self._resets = counter(name("strategy_timer_resets_total"), "Times that the wait for quiet began anew")
        self._processed = counter(name("processor_events_processed_total"), "Changes that were read")
        self._published = counter(name("processor_snapshots_published_total"), "Snapshots published")
        self._spans = histogram(
            name("processor_event_span_duration_milliseconds"), "Between two changes", buckets=MILLISECONDS
        )
        self._events = histogram(name("processor_snapshot_events_total"), "Changes of a snapshot", buckets=EVENTS)
        self._lifetimes = histogram(
            name("processor_snapshot_lifetime_duration_milliseconds"), "Between two snapshots", buckets=MILLISECONDS
        )
        self._instances = metrics.gauge(
            name("state_type_instances_total"), "Objects that are distributed", ["collection"]
        )
        self._clock = clock
        self._event_at: float | None = None
        self._snapshot_at: float | None = None
        self._waiting = 0

    def event(self) -> None:
        """A source told of a change."""
        now = self._clock()
        self._changes.inc()
        self._waiting += 1
        if self._event_at is not None:
            self._spans.observe((now - self._event_at) * 1000)
        self._event_at = now

    def waited(self, resets: int, *, quiet: bool) -> None:
        """The wait for quiet is over, after beginning anew so many times."""
        (self._quiet if quiet else self._longest).inc()
        self._resets.inc(resets)

    def read(self) -> None:
        """What was told until now has been read."""
        self._processed.inc(self._waiting)

    def published(self, snapshot: Snapshot, before: Snapshot | None) -> None:
        now = self._clock()
        self._published.inc()
        self._events.observe(self._waiting)
        self._waiting = 0
        if self._snapshot_at is not None:
            self._lifetimes.observe((now - self._snapshot_at) * 1000)
        self._snapshot_at = now
        for name in snapshot.changed_from(before):
            self._instances.labels(name).set(len(snapshot.collections[name].items))
