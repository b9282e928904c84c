"""How long everything takes to start: the whole mesh, beside its applications alone."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench.meshes import applications_alone, running
from bench.table import table

ROUNDS = 3


def measure(folder: Path) -> str:
    """From the command until every workload is ready (and every application answers, without a mesh)."""
    whole, alone, stop = [], [], []
    for round_number in range(ROUNDS):
        begin = time.perf_counter()
        with applications_alone():
            alone.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        with running(folder / f"s{round_number}"):
            whole.append(time.perf_counter() - begin)
            begin = time.perf_counter()
        stop.append(time.perf_counter() - begin)
    base = statistics.median(alone)
    rows = [
        (1.0, "four applications alone", base, min(alone), max(alone)),
        (statistics.median(whole) / base, "the whole mesh, ready", statistics.median(whole), min(whole), max(whole)),
        (statistics.median(stop) / base, "the whole mesh, stopped", statistics.median(stop), min(stop), max(stop)),
    ]
    return table(f"Start of everything (seconds, median of {ROUNDS})", ("ratio", "what", "s", "least", "most"), rows)
