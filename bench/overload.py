"""A Mixer that is asked for twice what it can do: who is refused, how long the others wait, and what is lost uncounted.

The load is that of proxies of Istio 1.4, which remember most decisions: for a hundred requests twenty Checks and two
reports of a hundred entries. First what Mixer does when Checks come as fast as it answers, with a report for each ten;
then twice that by the clock, whatever becomes of it; then as little as before. Then the same with Checks alone. All of it
under each front that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench import h2load, typical
from bench.cost import cpu_seconds, memory
from bench.h2load import Answers, Load
from bench.native import fronts
from bench.noop import NATIVE_CHECK, NATIVE_REPORT
from bench.table import percentile, table
from flotilla_mixer.testing.mixer_process import MixerProcess, mixer_process

CHECKS_TO_A_REPORT = 10
QUIET_SHARE = 0.1  # of the capacity, for the latency of a Mixer at ease
ROUNDS, ROUND_SECONDS, QUIET_SECONDS = 4, 3.0, 4.0
DECIDED, SHED = "mixer_checks_total", "mixer_report_entries_shed_total"
RECORDED = "istio_requests_total"
SAMPLES = 50  # a second: Checks of a caller of its own, whose answers are looked at
HEADER = (
    "Checks decided, to capacity",
    "load",
    "Checks/s",
    "decided/s",
    "p50 ms",
    "p99 ms",
    "entries/s",
    "recorded/s",
)


@dataclass(frozen=True)
class Phase:
    """One load: what was sent, what Mixer counted, and what its clients saw. Rates a second."""

    seconds: float
    checks: Answers
    decisions: tuple[float, ...]  # seconds until a decision came, of the calls that were sampled
    reports: Answers | None
    counted: dict[str, float]
    cpu: float

    @property
    def decided(self) -> float:
        return self.counted.get(DECIDED, 0.0) / self.seconds

    @property
    def entries(self) -> int:
        """Entries of all reports that were sent."""
        if self.reports is None:
            return 0
        return (len(self.reports.latencies) + self.reports.unanswered) * typical.ENTRIES

    def row(self, name: str, capacity: Phase) -> tuple[object, ...]:
        p50, p99 = (percentile(self.decisions, share) * 1e3 for share in (0.5, 0.99))
        offered = (len(self.checks.latencies) + self.checks.unanswered) / self.seconds
        recorded = self.counted.get(RECORDED, 0.0) / self.seconds
        share = self.decided / capacity.decided
        return share, name, offered, self.decided, p50, p99, self.entries / self.seconds, recorded


class Loads:
    """The clients of one Mixer; all block."""

    def __init__(self, mixer: MixerProcess, folder: Path) -> None:
        self._mixer = mixer
        self._folder = folder
        self._check, self._report = typical.check_messages()[0], typical.report_messages()[0]

    def run(self, seconds: float, checks: float | None, reports: float) -> Phase:
        """Checks a second (None: as fast as they are answered), and reports a second."""
        loads = [Load(NATIVE_CHECK, self._check, seconds, checks, streams=100 if checks else 3)]
        if reports:
            loads.append(Load(NATIVE_REPORT, self._report, seconds, reports, timeout="5S"))
        before, cpu, began = self._mixer.metrics(), cpu_seconds([self._mixer.pid]), time.perf_counter()
        for number, load in enumerate(loads):
            load.start(self._folder, self._mixer.address, f"load{number}")
        decisions = asyncio.run(_sample(self._mixer.address, self._check, seconds))
        answers = [load.wait() for load in loads]
        took, cpu = time.perf_counter() - began, cpu_seconds([self._mixer.pid]) - cpu
        counted = {name: value - before.get(name, 0.0) for name, value in self._mixer.metrics().items()}
        return Phase(took, answers[0], decisions, answers[1] if reports else None, counted, cpu)

    def capacity(self, *, reports: bool) -> Phase:
        """Checks as fast as they are answered; the rate of reports follows until there is one for each ten."""
        found = self.run(ROUND_SECONDS, None, 0.0)
        rate = found.decided / CHECKS_TO_A_REPORT / 3
        for _ in range(ROUNDS if reports else 1):
            found = self.run(ROUND_SECONDS, None, rate if reports else 0.0)
            rate = (rate + found.decided / CHECKS_TO_A_REPORT) / 2
        return found


async def _sample(address: str, message: bytes, seconds: float) -> tuple[float, ...]:
    """How long decisions take that one more caller asks for; one that is refused does not count."""
    found: list[float] = []
    end = time.perf_counter() + seconds

    async def ask(call: Any) -> None:
        began = time.perf_counter()
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call(message, timeout=1.0)
            found.append(time.perf_counter() - began)

    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as calls:
        while time.perf_counter() < end:
            calls.create_task(ask(channel.unary_unary(NATIVE_CHECK)))
            await asyncio.sleep(1 / SAMPLES)
    return tuple(found)


def measure(given: argparse.Namespace) -> str:
    if not typical.there():
        return f"No requests at {typical.FIXTURES}: set FLOTILLA_VECTORS to the folder that holds 1.4/fixtures.\n"
    if not h2load.there():
        return h2load.MISSING
    parts = []
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        file = Path(folder) / "default.yaml"
        file.write_text(typical.configuration())
        for front, reports in itertools.product(fronts(), (True, False)):
            title = f"Twice the capacity{'' if reports else ', Checks alone'}: front {front}"
            with mixer_process({"log_level": "error", "front": front}, file) as mixer:
                loads = Loads(mixer, Path(folder))
                parts.append(_phases(title, loads, mixer, given.overload_seconds, reports=reports))
    return "\n".join(parts)


def _phases(title: str, loads: Loads, mixer: MixerProcess, seconds: float, *, reports: bool) -> str:
    capacity = loads.capacity(reports=reports)
    rate = capacity.decided

    def by_the_clock(share: float, long: float) -> Phase:
        return loads.run(long, rate * share, rate * share / CHECKS_TO_A_REPORT if reports else 0.0)

    ease, held = by_the_clock(QUIET_SHARE, QUIET_SECONDS), memory(mixer.pid).resident
    over, peak = by_the_clock(2.0, seconds), memory(mixer.pid).resident
    time.sleep(1.0)
    later = by_the_clock(QUIET_SHARE, QUIET_SECONDS)
    rows = [
        capacity.row("as fast as it answers", capacity),
        ease.row("a tenth of that", capacity),
        over.row(f"twice that, for {seconds:.0f} s", capacity),
        later.row("a tenth again, a second later", capacity),
    ]
    again = percentile(later.decisions, 0.5) / percentile(ease.decisions, 0.5)
    lines = [
        f"The median a second later is {again:.2f} times that of before.",
        f"Mixer used {over.cpu / over.seconds:.0%} of a core, and had {held:.0f} MiB before and {peak:.0f} MiB after.",
    ]
    if reports:
        refused = over.entries - over.counted.get(RECORDED, 0.0) - over.counted.get(SHED, 0.0)
        lines.insert(
            0,
            f"Of {over.entries} entries sent {over.counted.get(RECORDED, 0.0):.0f} were recorded and "
            f"{over.counted.get(SHED, 0.0):.0f} counted as dropped; "
            f"{refused:.0f} neither: sent in calls that gRPC's core cancelled before Mixer saw them, less what was "
            "under way when the load ended.",
        )
    return table(title, HEADER, rows) + "\n" + "\n".join(lines) + "\n"
