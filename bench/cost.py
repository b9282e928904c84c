"""What processes cost: CPU seconds between two looks, and memory that is theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: `resident` counts shared pages in full, `proportional` divides them among their users."""

    resident: float
    proportional: float


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time used so far by the given processes together, without their children."""
    return sum(times.user + times.system for times in (psutil.Process(pid).cpu_times() for pid in pids))


def memory(pid: int) -> Memory:
    info = psutil.Process(pid).memory_full_info()
    return Memory(resident=info.rss / 2**20, proportional=info.pss / 2**20)
