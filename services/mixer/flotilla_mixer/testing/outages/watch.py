"""Mixer from outside: its memory, and what it counts of one handler on its monitoring port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

MEBIBYTE = 2**20
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Counted:
    """Of one handler. Entries are sent, dropped by cause, or wait; `errors` is what went wrong with the backend."""

    sent: int = 0
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return sum(self.dropped.values())

    @property
    def all(self) -> int:
        return self.sent + self.lost + self.waiting


class Watch:
    """Looks at a process by its number and at its monitoring port. `peak` is by phase: most MiB that were resident."""

    def __init__(self, pid: int, monitoring_port: int, handler: str) -> None:
        self.peak: dict[str, float] = {}
        self._pid = pid
        self._url = f"http://127.0.0.1:{monitoring_port}/metrics"
        self._handler = handler
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._pid)

    def look(self, phase: str) -> None:
        """At its memory, for this phase."""
        self.peak[phase] = max(self.peak.get(phase, 0.0), resident(self._pid))

    async def counted(self) -> Counted:
        answer = await self._client.get(self._url)
        return read(answer.raise_for_status().text, self._handler)

    async def settled(self, seconds: float) -> Counted:
        """When nothing waits any more, or after so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (found := await self.counted()).waiting and loop.time() < until:  # noqa: ASYNC110  # another process's
            await asyncio.sleep(0.1)
        return found

    async def stop(self) -> None:
        await self._client.aclose()


def cpu_seconds(pid: int) -> float:
    """User and system time that the process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MEBIBYTE


def read(page: str, handler: str) -> Counted:
    """Of a page of metrics."""
    numbers = {"sent": 0, "waiting": 0}
    causes: dict[str, dict[str, int]] = {"dropped": {}, "backend_errors": {}}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            name = sample.name.removeprefix("mixer_handler_").removeprefix("entries_").removesuffix("_total")
            if sample.labels.get("handler") != handler or sample.name.endswith("_created"):
                continue
            if name in numbers:
                numbers[name] = int(sample.value)
            elif name in causes:
                causes[name][sample.labels["cause"]] = int(sample.value)
    return Counted(numbers["sent"], numbers["waiting"], causes["dropped"], causes["backend_errors"])
