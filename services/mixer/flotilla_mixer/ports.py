"""What Mixer's gRPC ports have alike: who serves them, what waits, what is refused, and what is counted."""

from __future__ import annotations

from functools import partial
from typing import Any

from flotilla_mixer.config import MixerSettings
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.native import ENTRIES_FIELD, REPORT
from flotilla_mixer.servers.rpc_counts import BOUNDS
from flotilla_mixer.shedding.throttle import Cause, ShedSettings, Throttle
from flotilla_shared.runtime.front import Refusals
from flotilla_shared.runtime.serving import WAITING_CALLS


def serving(settings: MixerSettings, metrics: MixerMetrics, throttle: Throttle) -> dict[str, Any]:
    """Arguments of a GrpcServer."""
    enforced = settings.loadshedding_mode == "enforce"
    return {
        "front": settings.front,
        "watch": metrics.rpcs.watch,
        "bounds": BOUNDS,
        "waiting_calls": settings.waiting_calls if enforced else WAITING_CALLS,
        "refusals": Refusals(
            settings.front_calls, throttle.longest_wait, partial(_refused, throttle), {REPORT: ENTRIES_FIELD}
        ),
    }


def _refused(throttle: Throttle, method: str, calls: int, entries: int) -> None:
    """Calls that found no room in the front."""
    if method == REPORT:
        throttle.drop(entries, Cause.QUEUE)
    else:
        throttle.turned_away(calls)


def shed_settings(settings: MixerSettings) -> ShedSettings:
    """The limits of a Mixer's throttle."""
    return ShedSettings(
        mode=settings.loadshedding_mode,
        average_latency=settings.average_latency_threshold,
        latency_samples=settings.latency_samples_per_second,
        latency_halflife=settings.latency_sample_halflife,
        latency_enforcement=settings.latency_enforcement_threshold,
        requests=settings.max_requests_per_second,
        burst=settings.burst_size,
        report_lag=settings.report_lag_seconds,
        check_lag=settings.check_lag_seconds,
        longest_wait=settings.longest_wait_seconds,
    )
