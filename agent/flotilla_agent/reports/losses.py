"""What was lost of an Envoy's reports, worked out from its statistics. Pure.

Envoy throws entries away while Mixer cannot be reached, and counts them as written (mixer-on-envoy.md 7). What it
does count are the connections to Mixer that stand, end and fail; from these follows, interval by interval, which
entries had nowhere to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOGS = "access_logs.grpc_access_log."
CONNECTIONS = (
    "upstream_cx_active",
    "upstream_cx_connect_fail",
    "upstream_cx_destroy",
    "upstream_rq_pending_failure_eject",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Envoy's counters at one moment: entries that it wrote since its start, and its connections to Mixer."""

    written: int
    active: int
    failed: int
    ended: int


@dataclass(frozen=True, slots=True)
class Reports:
    """What became of a workload's reports, over all Envoys that it had.

    `waiting` entries were written while no connection stood, and none has failed since: the next one may still take
    them. `lost` ones had no connection, or one that broke in the same second: at least what is surely lost, at most
    what one interval wrote more for each break.
    """

    written: int = 0
    lost: int = 0
    waiting: int = 0
    connected: bool = False
    connect_failures: int = 0

    def after(self, before: Sample | None, now: Sample) -> Reports:
        """With one interval more. `before` is None at the first sample; counters that fall are a new Envoy's."""
        if before is None or now.written < before.written or now.failed < before.failed or now.ended < before.ended:
            before = Sample(0, 0, 0, 0)
        wrote, failed = now.written - before.written, now.failed - before.failed
        broke = failed > 0 or now.ended > before.ended
        stands = now.active > 0
        undelivered = self.waiting + wrote
        return Reports(
            written=self.written + wrote,
            lost=self.lost + (undelivered if broke else 0),
            waiting=0 if broke or stands else undelivered,
            connected=stands,
            connect_failures=self.connect_failures + failed,
        )


def statistics_pattern(cluster: str) -> str:
    """The expression that selects what `read_sample` needs; `cluster` is an expression itself."""
    return rf"^access_logs\.grpc_access_log\.(logs_written|grpc_entries_flushed)$|^cluster\.{cluster}\.({'|'.join(CONNECTIONS)})$"


def read_sample(statistics: Mapping[str, int]) -> Sample | None:
    """The sample in an Envoy's statistics; None where it has no cluster of Mixer's.

    `logs_written` leaves TCP entries out, `grpc_entries_flushed` what is not flushed yet: the larger counts.
    """
    found = dict.fromkeys(CONNECTIONS, 0)
    clusters = 0
    for name, value in statistics.items():
        place = name.rpartition(".")[2]
        if name.startswith("cluster.") and place in found:
            clusters += 1
            found[place] += value
    if not clusters:
        return None
    written = max(statistics.get(f"{LOGS}{name}", 0) for name in ("logs_written", "grpc_entries_flushed"))
    failed = found["upstream_cx_connect_fail"] + found["upstream_rq_pending_failure_eject"]
    return Sample(written, found["upstream_cx_active"], failed, found["upstream_cx_destroy"])
