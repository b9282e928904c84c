"""A thousand changes of configuration under load: how many calls fail, what a change costs, and what stays in memory.

Beside what changes stand a thousand rules that do not. Calls come from h2load, as fast as they are answered.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bench import h2load
from bench.cost import cpu_seconds, memory
from bench.h2load import Load
from bench.noop import NATIVE_CHECK
from bench.table import percentile, table
from flotilla_mixer.testing.changes import changed, difference
from flotilla_mixer.testing.mixer_process import MixerProcess, mixer_process
from flotilla_mixer.testing.native import NativeClient

RULES, WARM_UP = 1000, 20
HERE = {"request.path": "/", "destination.namespace": "default", "context.reporter.kind": "inbound"}
HEADER = ("ratio", "what", "ms, p50", "p99", "CPU ms each")


def measure(given: argparse.Namespace) -> str:
    if not h2load.there():
        return h2load.MISSING
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        folder = Path(name)
        file = folder / "first.yaml"
        file.write_text(changed(0, rules=RULES))
        with mixer_process({"log_level": "error", "loadshedding_mode": "disabled"}, file) as mixer:
            return _measure(mixer, folder, given.reloads)


def _measure(mixer: MixerProcess, folder: Path, changes: int) -> str:
    alone, cpu_alone = _changes(mixer, 0, WARM_UP)
    message = NativeClient(222).check_request(HERE).SerializeToString()
    before, held = mixer.metrics(), memory(mixer.pid).resident
    # Longer than the changes can take: it is ended when they are done.
    load = Load(NATIVE_CHECK, message, 3600, streams=2, timeout="10S")
    load.start(folder, mixer.address, "load")
    times, _ = _changes(mixer, WARM_UP, changes)
    answers, counted = load.end(), mixer.metrics()
    base = statistics.median(alone)
    rows = [
        (1.0, f"a change beside {RULES} rules, alone", base * 1e3, percentile(alone, 0.99) * 1e3, cpu_alone * 1e3),
        (
            statistics.median(times) / base,
            f"{changes} changes, under load",
            statistics.median(times) * 1e3,
            percentile(times, 0.99) * 1e3,
            "-",
        ),
    ]
    decided = counted["mixer_checks_total"] - before.get("mixer_checks_total", 0.0)
    built = counted["mixer_handler_new_handlers_total"] - before["mixer_handler_new_handlers_total"]
    closed = counted["mixer_handler_closed_handlers_total"] - before["mixer_handler_closed_handlers_total"]
    lines = [
        f"{len(answers.latencies)} Checks were answered and {answers.unanswered} not; Mixer decided {decided:.0f}, so "
        f"{max(0, len(answers.latencies) - decided):.0f} failed. "
        f"The slowest 1 % took {percentile(answers.latencies, 0.99) * 1e3:.0f} ms or more.",
        f"Handlers built {built:.0f}, closed {closed:.0f}. "
        f"Memory {held:.0f} MiB before, {memory(mixer.pid).resident:.0f} after.",
    ]
    return table(f"{changes} changes of configuration", HEADER, rows) + "\n" + "\n".join(lines) + "\n"


def _changes(mixer: MixerProcess, first: int, number: int) -> tuple[list[float], float]:
    """Seconds of each, until it was in force, and CPU seconds of Mixer a change."""
    times, cpu = [], cpu_seconds([mixer.pid])
    for each in range(number):
        began = time.perf_counter()
        mixer.change(difference(first + each + 1))
        times.append(time.perf_counter() - began)
    return times, (cpu_seconds([mixer.pid]) - cpu) / max(1, number)
