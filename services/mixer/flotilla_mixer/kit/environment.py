"""What a handler is given of Mixer, for as long as it lives: the kit's side of `Environment`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flotilla_mixer.authorization.engine import PolicyEngine
from flotilla_mixer.authorization.roles import RoleEngine
from flotilla_mixer.kit.adapter import HandlerCall, Judge, KnownWorkload
from flotilla_mixer.kit.complaints import Complaints
from flotilla_mixer.kit.counters import HandlerCounter
from flotilla_mixer.kit.delivery import Delivery, DeliverySettings
from flotilla_mixer.kit.merging import MergeSettings, Merging
from flotilla_mixer.kit.rounds import Rounds, Source
from flotilla_mixer.kit.secrets import ANY_FOLDER, SecretFile, SecretFolders
from flotilla_mixer.kit.sending import Item, Send
from flotilla_shared.runtime.lifecycle import Tasks

P = ParamSpec("P")
R = TypeVar("R")
_NO_DELIVERY = DeliverySettings()
_NO_MERGING = MergeSettings()


class HandlerClosed(RuntimeError):
    """A handler that is closed begins nothing new. What it was asked fails, and nobody else."""


class HandlerEnvironment:
    """An Environment that knows no workloads and no policies. It owns its handler's tasks, thread and what waits to be sent.

    `close` ends them in order: what waits is sent, work under way is finished, both within the grace time; then
    daemons are cancelled, and the thread ends with what it does.
    """

    def __init__(self, counter: HandlerCounter, secrets: SecretFolders = ANY_FOLDER) -> None:
        self._counter = counter
        self._secrets = secrets
        self._complaints = Complaints(counter)
        self._daemons, self._work = Tasks(counter.handler), Tasks(counter.handler)
        self._working: set[asyncio.Task[None]] = set()
        self._deliveries: list[Delivery[Any] | Merging[Any] | Rounds[Any]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._closed = False

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        return None

    def workload_at(self, address: str) -> KnownWorkload | None:
        return None

    def policies(self) -> Judge:
        return PolicyEngine()

    def roles(self) -> Judge:
        return RoleEngine()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._daemon(work, name)

    def _daemon(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self._open_for(work)
        return self._counted(self._daemons.spawn(work, name), self._counter.daemons)

    def work(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._begin(work, name)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self._open_for(work)
        task = self._counted(self._work.spawn(work, name), self._counter.workers)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def answer(self, calls: Sequence[HandlerCall[Any]], work: Coroutine[Any, Any, None]) -> None:
        try:
            task = self._begin(work, "answer")
        except HandlerClosed as error:
            _fail(calls, str(error))
        else:
            task.add_done_callback(lambda _: _fail(calls, f"{self._counter.handler} ended before it could say"))

    def _open_for(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:
            work.close()
            raise HandlerClosed(f"{self._counter.handler} is closed")

    def _counted(self, task: asyncio.Task[None], gauge: Any) -> asyncio.Task[None]:
        gauge.inc()
        task.add_done_callback(lambda _: gauge.dec())
        return task

    def deliver(
        self,
        send: Send[Item],
        settings: DeliverySettings = _NO_DELIVERY,
        size: Callable[[Item], int] | None = None,
        last: Callable[[], Iterable[Item]] | None = None,
    ) -> Delivery[Item]:
        delivery = Delivery(send, settings, self._counter, self._complaints, size, last)
        delivery.start(self._daemon)
        self._deliveries.append(delivery)
        return delivery

    def merge(
        self,
        drain: Callable[[], Sequence[Item]],
        send: Send[Item],
        number: Callable[[Sequence[Item]], int],
        settings: MergeSettings = _NO_MERGING,
    ) -> Merging[Item]:
        merging = Merging(drain, send, number, settings, self._counter, self._complaints)
        merging.start(self._daemon)
        self._deliveries.append(merging)
        return merging

    def rounds(self, source: Source[Item], send: Send[Item], settings: DeliverySettings = _NO_DELIVERY) -> Rounds[Item]:
        found = Rounds(source, send, settings, self._counter, self._complaints)
        found.start(self._daemon)
        self._deliveries.append(found)
        return found

    async def in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._closed:
            raise HandlerClosed(f"{self._counter.handler} is closed")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, f"handler {self._counter.handler}")
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def secret(self, path: Path | str) -> SecretFile:
        return self._secrets.file(path)

    def complain(self, cause: str, text: str, **details: object) -> None:
        self._complaints.say(cause, text, **details)

    def works_again(self, text: str) -> None:
        self._complaints.over(text)

    def decided(self, outcome: str, rule: str = "") -> None:
        self._counter.decided(outcome, rule)

    def dropped(self, cause: str, number: int = 1) -> None:
        self._counter.dropped(cause, number)

    async def close(self, grace_seconds: float) -> None:
        """End all. Safe twice."""
        until = asyncio.get_running_loop().time() + grace_seconds
        await asyncio.gather(*(each.close(grace_seconds) for each in self._deliveries))
        if self._working:
            await asyncio.wait(self._working, timeout=max(0.0, until - asyncio.get_running_loop().time()))
        self._closed = True
        await self._work.stop()
        await self._daemons.stop()
        self._end_thread()

    def abandon(self) -> None:
        """End all at once, for a handler that could not be built. What was to be sent is dropped and counted."""
        self._closed = True
        for tasks in (self._work, self._daemons):
            tasks.cancel()
        for delivery in self._deliveries:
            delivery.abandon()
        self._end_thread()

    def _end_thread(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None


def _fail(calls: Sequence[HandlerCall[Any]], text: str) -> None:
    """Those that have no answer yet."""
    for call in calls:
        call.fail(text)
