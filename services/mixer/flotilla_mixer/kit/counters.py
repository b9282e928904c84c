"""What handlers do behind Reports and Checks, counted by handler; /metrics of port 15014 shows it."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from flotilla_mixer.kit.dispatches import DispatchCounts
from flotilla_shared.runtime.metrics import ServiceMetrics

# Why an entry was dropped; adapters have words of their own beside these.
FULL = "full"  # too many waited already
CLOSING = "closing"  # the grace time of a closing handler was over
CLOSED = "closed"  # it came when the handler was closed
UNREACHABLE = "unreachable"
TIMEOUT = "timeout"
FAULT = "fault"  # the adapter raised what it does not say that it raises


class HandlerCounters:
    """The counters of all handlers. Every entry that a handler took is sent, dropped or still waiting: the three add up."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.waiting = metrics.gauge(
            "mixer_handler_entries_waiting", "Entries that a handler has taken and not sent yet", ["handler"]
        )
        self.sent = metrics.counter(
            "mixer_handler_entries_sent_total", "Entries that a handler's backend has taken", ["handler"]
        )
        self.dropped = metrics.counter(
            "mixer_handler_entries_dropped_total", "Entries that no backend gets, by cause", ["handler", "cause"]
        )
        self.retries = metrics.counter(
            "mixer_handler_retries_total",
            "Batches that were tried again, by what was wrong before",
            ["handler", "cause"],
        )
        self.errors = metrics.counter(
            "mixer_handler_backend_errors_total",
            "What went wrong with a handler's backend, by cause",
            ["handler", "cause"],
        )
        self.decisions = metrics.counter(
            "mixer_handler_decisions_total",
            "Calls that a handler has judged, by outcome and the rule that it rests on",
            ["handler", "outcome", "rule"],
        )
        self.workers = metrics.gauge(
            "mixer_handler_workers_total", "Pieces of work that a handler has under way", ["handler"]
        )
        self.daemons = metrics.gauge(
            "mixer_handler_daemons_total", "Tasks that run for as long as their handler lives", ["handler"]
        )

        self.built = metrics.counter("mixer_handler_new_handlers_total", "Handlers built for a new configuration")
        self.reused = metrics.counter(
            "mixer_handler_reused_handlers_total", "Handlers that stayed as they were in a new configuration"
        )
        self.closed = metrics.counter("mixer_handler_closed_handlers_total", "Handlers closed, as nothing uses them")
        self.build_failures = metrics.counter(
            "mixer_handler_handler_build_failures_total", "Handlers that could not be built"
        )
        self.close_failures = metrics.counter(
            "mixer_handler_handler_close_failures_total", "Handlers that failed while they were closed"
        )
        self.dispatches = DispatchCounts()
        metrics.register(self.dispatches)

    def of(self, handler: str) -> HandlerCounter:
        """Those of one handler, by its full name. A handler that takes the place of another goes on with its counters."""
        return HandlerCounter(self, handler)


class HandlerCounter:
    """What one handler counts."""

    def __init__(self, counters: HandlerCounters, handler: str) -> None:
        self.handler = handler
        self.workers: Gauge = counters.workers.labels(handler)
        self.daemons: Gauge = counters.daemons.labels(handler)
        self._waiting: Gauge = counters.waiting.labels(handler)
        self._sent: Counter = counters.sent.labels(handler)
        self._counters = counters
        self._decisions: dict[tuple[str, str], Counter] = {}

    def decided(self, outcome: str, rule: str) -> None:
        """A call was judged. Both words come from configuration, never from a call: they are labels."""
        found = self._decisions.get((outcome, rule))
        if found is None:
            found = self._decisions[outcome, rule] = self._counters.decisions.labels(self.handler, outcome, rule)
        found.inc()

    def taken(self, number: int) -> None:
        """So many wait now."""
        if number:
            self._waiting.inc(number)

    def sent(self, number: int) -> None:
        """So many of those that waited have been sent."""
        if number:
            self._waiting.dec(number)
            self._sent.inc(number)

    def given_up(self, cause: str, number: int) -> None:
        """So many of those that waited are dropped."""
        if number:
            self._waiting.dec(number)
            self.dropped(cause, number)

    def dropped(self, cause: str, number: int = 1) -> None:
        """So many are dropped that have never waited."""
        if number:
            self._counters.dropped.labels(self.handler, cause).inc(number)

    def retried(self, cause: str) -> None:
        self._counters.retries.labels(self.handler, cause).inc()

    def wrong(self, cause: str) -> None:
        """Something went wrong with the backend."""
        self._counters.errors.labels(self.handler, cause).inc()
