"""Who is let in: asked once for each call, before anything is done for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.shedding.limits import AverageLatency, TokenBucket
from flotilla_mixer.shedding.pressure import Level, Pressure
from flotilla_shared.runtime.logs import get_logger

Mode = Literal["disabled", "logonly", "enforce"]
OVERLOADED = "Server is currently overloaded. Please try again."
QUIET_SECONDS = 10.0
BACKLOG_SHARE, BACKLOG_AFTER = 0.6, 0.05  # of the longest wait; seconds

_log = get_logger(__name__)


class Cause(StrEnum):
    """Why something is shed; the label of the counter of entries."""

    LATENCY = "latency"  # calls take longer than allowed, and many come
    RATE = "rate"  # more comes than allowed
    PRESSURE = "pressure"  # the process is behind
    QUEUE = "queue"  # too many reports wait
    EXPIRED = "expired"  # the caller waits no longer


@dataclass(frozen=True, slots=True)
class ShedSettings:
    """As `MixerSettings` has them. A limit of 0 is none."""

    mode: Mode = "enforce"
    average_latency: float = 0.0
    latency_samples: float = 0.0
    latency_halflife: float = 1.0
    latency_enforcement: float = 100.0
    requests: float = 0.0
    burst: int = 0
    report_lag: float = 0.02
    check_lag: float = 0.25
    longest_wait: float = 0.05


class Throttle:
    """All judges of one Mixer. `clock` gives seconds that only grow."""

    def __init__(
        self, settings: ShedSettings, metrics: MixerMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._pressure = Pressure(settings.report_lag, settings.check_lag)
        # Lower than what is refused, or it would be over as soon as something is.
        self._backlog = Level(settings.longest_wait * BACKLOG_SHARE, BACKLOG_AFTER)
        self._latency = AverageLatency(settings.latency_halflife, settings.latency_samples)
        self._often = TokenBucket(settings.latency_enforcement, max(1.0, settings.latency_enforcement))
        burst = settings.burst or settings.requests
        self._rate = TokenBucket(settings.requests, burst) if settings.requests else None
        self._said: float | None = None
        self._unsaid = 0

    @property
    def pressure(self) -> float:
        """How long the last call had waited when it was seen, in seconds."""
        return self._pressure.seconds

    def waited(self, seconds: float) -> None:
        """A call has waited so long before it was seen."""
        now = self._clock()
        self._pressure.waited(seconds, now)
        self._backlog.waited(seconds, now)

    def longest_wait(self) -> float | None:
        """Seconds after which a transport that knows how long calls wait refuses them; None while there is no backlog."""
        if self._settings.mode != "enforce" or not self._backlog.exceeded(self._clock()):
            return None
        self._say(Cause.PRESSURE)
        return self._settings.longest_wait

    def answered(self, seconds: float) -> None:
        """A call took so long."""
        if self._settings.average_latency:
            self._latency.add(seconds, self._clock())

    def calm(self) -> bool:
        """Whether Checks are let in anyway, however many there are: there is no need to ask for each."""
        if self._settings.mode == "disabled":
            return True
        return not self._settings.average_latency and self._rate is None and not self._pressure.checks(self._clock())

    def sheds_check(self) -> bool:
        """Whether a Check is refused; then it has been counted."""
        return self._sheds(1, None)

    def sheds_report(self, entries: int) -> bool:
        """Whether so many entries are dropped; then they have been counted."""
        return self._sheds(entries, entries)

    def drop(self, entries: int, cause: Cause) -> None:
        """Count a report that was let in and must go all the same. Whatever the mode: a queue has an end."""
        self._count(entries, entries, cause)

    def turned_away(self, checks: int) -> None:
        """Count Checks that found no room before anybody could ask."""
        self._metrics.throttled.inc(checks)
        self._metrics.shed_cost.inc(checks)

    def _sheds(self, cost: int, entries: int | None) -> bool:
        mode = self._settings.mode
        if mode == "disabled":
            return False
        cause = self._cause(cost, is_report=entries is not None)
        if cause is None:
            return False
        self._say(cause)
        if mode == "logonly":
            return False
        self._count(cost, entries, cause)
        return True

    def _cause(self, cost: int, *, is_report: bool) -> Cause | None:
        now, settings = self._clock(), self._settings
        if settings.average_latency:
            often = not self._often.take(1, now)
            if often and self._latency.at(now) > settings.average_latency:
                return Cause.LATENCY
        if self._rate is not None and not self._rate.take(cost, now):
            return Cause.RATE
        behind = self._pressure.reports(now) if is_report else self._pressure.checks(now)
        return Cause.PRESSURE if behind else None

    def _count(self, cost: int, entries: int | None, cause: Cause) -> None:
        self._metrics.throttled.inc()
        self._metrics.shed_cost.inc(cost)
        if entries is not None:
            self._metrics.shed_entries.labels(cause).inc(entries)

    def _say(self, cause: Cause) -> None:
        now = self._clock()
        self._unsaid += 1
        if self._said is None or now - self._said >= QUIET_SECONDS:
            _log.warning("more is asked than can be done", mode=self._settings.mode, cause=cause, calls=self._unsaid)
            self._said, self._unsaid = now, 0
