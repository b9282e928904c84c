"""Following an Envoy's reports while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from flotilla_agent.envoy.admin import Admin
from flotilla_agent.errors import AdminUnavailable
from flotilla_agent.reports.losses import Reports, Sample, read_sample, statistics_pattern
from flotilla_shared.runtime.lifecycle import Tasks

INTERVAL_SECONDS = 1.0
MIXER_CLUSTER = r"outbound\|15004\|\|.*"


class ReportWatch:
    """Component. `reports` is None for an Envoy that knows of no Mixer. An Envoy that does not answer is asked again:
    its counters wait.
    """

    def __init__(
        self,
        name: str,
        admin: Admin,
        running: Callable[[], bool],
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        cluster: str = MIXER_CLUSTER,
    ) -> None:
        self.reports: Reports | None = None
        self._admin = admin
        self._running = running
        self._interval_seconds = interval_seconds
        self._pattern = statistics_pattern(cluster)
        self._last: Sample | None = None
        self._tasks = Tasks(f"reports:{name}")

    async def start(self) -> None:
        self._tasks.spawn(self._follow(), "follow")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def look(self) -> None:
        """Take one sample now. Raises AdminUnavailable."""
        sample = read_sample(await self._admin.statistics(self._pattern))
        if sample is None:
            return
        self.reports = (self.reports or Reports()).after(self._last, sample)
        self._last = sample

    async def _follow(self) -> None:
        while True:
            if self._running():
                with suppress(AdminUnavailable):
                    await self.look()
            await asyncio.sleep(self._interval_seconds)
