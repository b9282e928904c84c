"""What came of an outage: what must hold of it, and its row of the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flotilla_mixer.testing.outages.counterpart import Counterpart, Way
from flotilla_mixer.testing.outages.load import Load
from flotilla_mixer.testing.outages.watch import Counted, Watch

THERE, AWAY, BACK, SLOW, RELEASED = "there", "away", "back", "slow", "released"
RESUME_SECONDS = 10.0
MOST_GROWTH = 100.0  # MiB above the peak while the backend was there: 20,000 entries of a kilobyte, and as much again
NOTICED = (
    "Check p50 / p99 ms",
    "Report p50 / p99 ms",
    "away: Check, to before",
    "away: Report, to before",
    "slow: Check, to before",
    "slow: Report, to before",
    "CPU us an entry; away, slow to before",
)
"""What callers of Mixer, and whoever pays for it, notice."""
BECAME = ("given", "sent", "dropped, by cause", "received", "resumed after s", "MiB before / at most")
"""What became of entries."""


class Outcome:
    """Filled while it is played."""

    def __init__(self, counterpart: Counterpart) -> None:
        self.way = counterpart.way
        self.acknowledges = counterpart.acknowledges
        self.most_waiting = counterpart.most_waiting
        self.at_worst = self.counted = Counted()
        self.resumed: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        """By phase: seconds of Mixer's CPU for an entry, with all else that it did."""
        self.received = self.given = self.unknown = self.granted = 0
        self.seconds: dict[tuple[str, str], Sequence[float]] = {}
        self.failed: Counter[str] = Counter()
        self.peak: dict[str, float] = {}

    def take(self, load: Load, watch: Watch) -> None:
        """What the load saw, when it has ended."""
        self.given, self.unknown, self.granted = load.given, load.unknown, load.granted
        self.seconds, self.failed, self.peak = dict(load.seconds), load.failed, watch.peak

    @property
    def sent(self) -> int:
        """What the handler says that its backend has."""
        match self.way:
            case Way.PUSHED:
                return self.counted.sent
            case Way.PULLED:
                return self.given - self.counted.lost
            case Way.ASKED:
                return self.granted

    def faults(self) -> Iterator[str]:
        """What should hold and does not, a sentence each."""
        yield from self._accounts()
        yield from self._arrivals()
        for what, seconds in self.resumed.items():
            if seconds > RESUME_SECONDS:
                yield f"delivery resumed {seconds:.1f} s after the backend's {what}, later than {RESUME_SECONDS:.0f} s"
        growth = max(self.peak.values()) - self.peak[THERE]
        if growth > MOST_GROWTH:
            yield f"memory grew by {growth:.0f} MiB, more than {MOST_GROWTH:.0f}"

    def _accounts(self) -> Iterator[str]:
        counted = self.counted
        accounted = self.sent + counted.lost + counted.waiting
        if not self.given:
            yield f"nothing was taken: {dict(self.failed)}"
        if not self.given <= accounted <= self.given + self.unknown:
            yield f"of {self.given} entries (and {self.unknown} of calls that failed) {accounted} are accounted for"
        if counted.waiting:
            yield f"{counted.waiting} entries still wait"
        if self.at_worst.waiting > self.most_waiting:
            yield f"{self.at_worst.waiting} entries waited at the end of the outage"
        if self.way is Way.PULLED and counted.lost:
            yield f"{counted.lost} values were dropped, though nobody was to be told of them"

    def _arrivals(self) -> Iterator[str]:
        if self.acknowledges and self.received < self.sent:
            yield f"the backend has {self.received} entries and {self.sent} count as sent"
        if not self.acknowledges and self.received > self.sent:
            yield f"the backend has {self.received} entries, and only {self.sent} count as sent"

    def noticed(self) -> tuple[str, ...]:
        """Cells under NOTICED; what was not measured is "-"."""
        return (
            self._milliseconds("check"),
            self._milliseconds("report"),
            self._ratios("check", AWAY),
            self._ratios("report", AWAY),
            self._ratios("check", SLOW),
            self._ratios("report", SLOW),
            self._cpu(),
        )

    def became(self) -> tuple[str, ...]:
        """Cells under BECAME."""
        return (
            str(self.given),
            str(self.sent),
            ", ".join(f"{cause} {number}" for cause, number in sorted(self.counted.dropped.items())) or "none",
            str(self.received),
            " / ".join(f"{seconds:.1f}" for seconds in self.resumed.values()),
            f"{self.peak[THERE]:.0f} / {max(self.peak.values()):.0f}",
        )

    def _milliseconds(self, kind: str) -> str:
        found = self.seconds.get((kind, THERE))
        return " / ".join(f"{percentile(found, share) * 1e3:.2f}" for share in (0.5, 0.99)) if found else "-"

    def _cpu(self) -> str:
        """Others' load on the machine disturbs this least."""
        before = self.cpu.get(THERE)
        if not before:
            return "-"
        ratios = [f"{self.cpu[phase] / before:.2f}" for phase in (AWAY, SLOW) if phase in self.cpu]
        return f"{before * 1e6:.1f}; {', '.join(ratios)}"

    def _ratios(self, kind: str, phase: str) -> str:
        before, then = self.seconds.get((kind, THERE)), self.seconds.get((kind, phase))
        if not before or not then:
            return "-"
        return " / ".join(f"{percentile(then, share) / percentile(before, share):.2f}" for share in (0.5, 0.99))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; there is one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
