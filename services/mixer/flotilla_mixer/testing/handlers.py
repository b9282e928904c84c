"""What handlers are given in tests that have no Mixer around them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from flotilla_mixer.kit.adapter import KnownWorkload


class Background:
    """An Environment that runs what it is given, and knows the workloads of a test."""

    def __init__(self, workloads: Iterable[KnownWorkload] = ()) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self._workloads = list(workloads)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        return next((each for each in self._workloads if (each.namespace, each.name) == (namespace, name)), None)

    def workload_at(self, address: str) -> KnownWorkload | None:
        found = [each for each in self._workloads if address in each.addresses]
        return found[0] if len(found) == 1 else None

    async def stop(self) -> None:
        """Cancel what still runs."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
