"""Start in order, stop in reverse, and never lose a background task."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from flotilla_shared.runtime.logs import get_logger

STOP_SECONDS = 10.0
# Few collections: a snapshot holds millions of containers, and young garbage is rare beside them.
GC_THRESHOLDS = (50_000, 50, 100)

_log = get_logger(__name__)
C = TypeVar("C", bound="Component")


class Component(Protocol):
    """Something with a life.

    1. `start` is called once; it returns when the component works, or raises. It owns what it starts.
    2. `stop` is safe without `start`, and twice. It drains, ends its tasks and gives up what it holds.
    """

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Tasks:
    """Background tasks of one owner. A task that raises is logged and kept in `crashed`; none is lost."""

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()
        self.crashed: list[BaseException] = []

    def spawn(self, work: Coroutine[Any, Any, Any], name: str = "") -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=f"{self._owner}:{name}" if name else None)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashed.append(error)
            _log.error("background task crashed", task=task.get_name(), exc_info=error)

    def __len__(self) -> int:
        return len(self._running)

    def cancel(self) -> None:
        """Cancel all, and leave them to end by themselves."""
        for task in list(self._running):
            task.cancel()

    async def finish(self) -> None:
        """Wait until all have ended by themselves, those included that are spawned meanwhile."""
        while self._running:
            await asyncio.wait(list(self._running))

    async def stop(self) -> None:
        """Cancel all and wait until they have ended; for the owner's `stop`."""
        while self._running:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Lifecycle:
    """The components of one process. `add` in the order in which they start; `run` is a service's whole life."""

    def __init__(self, stop_seconds: float = STOP_SECONDS) -> None:
        self._stop_seconds = stop_seconds
        self._components: list[tuple[str, Component]] = []
        self._started: list[tuple[str, Component]] = []

    def add(self, component: C, name: str) -> C:
        self._components.append((name, component))
        return component

    async def start(self) -> None:
        """Start all in order. If one fails, those before it are stopped and its error is raised."""
        for name, component in self._components[len(self._started) :]:
            self._started.append((name, component))
            try:
                await component.start()
            except BaseException:
                _log.debug("start ended early", component=name)
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stop what was started, in reverse; one that fails or takes too long does not keep the others."""
        while self._started:
            name, component = self._started.pop()
            try:
                await asyncio.wait_for(component.stop(), self._stop_seconds)
            except TimeoutError:
                _log.warning("component did not stop in time", component=name, seconds=self._stop_seconds)
            except Exception:  # noqa: BLE001  # the others must still stop
                _log.exception("component failed to stop", component=name)

    async def run(self) -> int:
        """Start, wait for SIGTERM or SIGINT, stop; 0, or 1 when the start failed. A second signal ends at once."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Explicit: a process started in the background of a script inherits SIGINT ignored.
            loop.add_signal_handler(number, _on_signal, asked)
        try:
            return await self._run_until(asked)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _run_until(self, asked: asyncio.Event) -> int:
        starting = asyncio.create_task(self.start(), name="lifecycle:start")
        waiting = asyncio.create_task(asked.wait(), name="lifecycle:signal")
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and (error := starting.exception()) is not None:
                _log.error("start failed", error=str(error), kind=type(error).__name__)
                return 1
            if starting.done():
                _log.info("started")
                await waiting
            _log.info("stopping")
            return 0
        finally:
            for task in (starting, waiting):
                task.cancel()
            await asyncio.gather(starting, waiting, return_exceptions=True)
            await self.stop()


def _on_signal(asked: asyncio.Event) -> None:
    if asked.is_set():
        os._exit(1)
    asked.set()


def run_service(main: Callable[[], Awaitable[int]]) -> int:
    """Run a service's main coroutine on uvloop with the process settings of a server; gives the exit code."""
    import uvloop

    gc.set_threshold(*GC_THRESHOLDS)

    async def whole() -> int:
        return await main()

    return int(uvloop.run(whole()))
