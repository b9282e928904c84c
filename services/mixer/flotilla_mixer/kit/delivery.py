"""Entries to a backend: they wait in a bounded queue, and one task sends them in batches, in order.

    offer -> queue (at most so many entries and bytes; what is too much is dropped and counted)
          -> batch (so many entries, so many bytes, or the oldest has waited so long)
          -> Sender (tries, waits, tries again)

Every entry that is offered ends as sent or as dropped with a cause, and is counted as that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic

from flotilla_mixer.kit.complaints import Complaints
from flotilla_mixer.kit.counters import CLOSED, CLOSING, FULL, HandlerCounter
from flotilla_mixer.kit.sending import Item, RetrySettings, Send, Sender

KILOBYTE = 1024
MEGABYTE = 1024 * KILOBYTE


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """What may wait, the batch that is being sent included, and what a batch is. A single entry that is longer than
    `batch_bytes` is a batch by itself.
    """

    most_waiting: int = 20_000  # entries: four seconds at 5,000 a second
    most_waiting_bytes: int = 32 * MEGABYTE
    batch_entries: int = 1_000
    batch_bytes: int = MEGABYTE
    batch_seconds: float = 1.0
    retry: RetrySettings = field(default_factory=RetrySettings)


class Delivery(Generic[Item]):
    """`size` gives the bytes of an entry; without it only their number counts. `last` is called once when it is closed, and
    gives entries that are to be sent before it ends. On one loop.
    """

    def __init__(
        self,
        send: Send[Item],
        settings: DeliverySettings,
        counter: HandlerCounter,
        complaints: Complaints,
        size: Callable[[Item], int] | None = None,
        last: Callable[[], Iterable[Item]] | None = None,
    ) -> None:
        self._settings = settings
        self._counter = counter
        self._complaints = complaints
        self._size = size or (lambda _: 0)
        self._last = last
        self._sender = Sender(send, settings.retry, counter, complaints)
        self._waiting: deque[tuple[Item, int]] = deque()
        self._bytes = self._bytes_in_hand = 0
        self._oldest = 0.0  # when the first of those that wait came
        self._some, self._enough, self._drained = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._drained.set()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def offer(self, entries: Iterable[Item]) -> int:
        """Take them; gives how many had to be dropped, which is counted and told. Never waits."""
        waiting, settings, size, total = self._waiting, self._settings, self._size, self._bytes
        taken, refused = 0, 0
        room = 0 if self._closing else settings.most_waiting - len(self._sender.in_hand)
        most = settings.most_waiting_bytes - self._bytes_in_hand
        for entry in entries:
            length = size(entry)
            if len(waiting) >= room or total + length > most:
                refused += 1
                continue
            waiting.append((entry, length))
            total += length
            taken += 1
        self._bytes = total
        self._counter.taken(taken)
        if taken:
            self._wake(taken)
        if refused:
            self._refuse(refused)
        return refused

    def _wake(self, taken: int) -> None:
        if taken == len(self._waiting):
            self._oldest = asyncio.get_running_loop().time()
        self._some.set()
        self._drained.clear()
        if len(self._waiting) >= self._settings.batch_entries or self._bytes >= self._settings.batch_bytes:
            self._enough.set()

    def _refuse(self, number: int) -> None:
        cause = CLOSED if self._closing else FULL
        self._counter.dropped(cause, number)
        self._complaints.say(cause, "entries are dropped before they are sent", entries=number)

    async def drained(self) -> None:
        """Until nothing waits and nothing is under way."""
        await self._drained.wait()

    def start(self, spawn: Callable[..., asyncio.Task[None]]) -> None:
        """The kit's: `spawn` runs the one task that sends."""
        self._task = spawn(self._run(), "deliver")

    async def close(self, grace_seconds: float) -> None:
        """Send what waits, for so long; then drop the rest. Nothing is taken from now on. Safe twice."""
        if self._last is not None and not self._closing:
            self.offer(self._last())
        self._closing = True
        self._some.set()
        self._enough.set()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=grace_seconds)
            if not done:
                self._task.cancel()
                await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """Drop what has not been sent. The task that sends must have ended."""
        left = len(self._waiting) + len(self._sender.in_hand)
        self._sender.in_hand = ()
        self._waiting.clear()
        self._bytes = 0
        if left:
            self._counter.given_up(CLOSING, left)
            self._complaints.say(CLOSING, "the handler is closed before all could be sent", entries=left)

    async def _run(self) -> None:
        """Until it is closed and nothing waits."""
        while True:
            await self._some.wait()
            if self._waiting:
                await self._gather()
                await self._sender.deliver(self._batch())
                self._bytes_in_hand = 0
            elif self._closing:
                return
            else:
                self._some.clear()
                self._drained.set()

    async def _gather(self) -> None:
        """Wait until there is a batch: enough, or old enough."""
        if self._enough.is_set():
            return
        try:
            async with asyncio.timeout_at(self._oldest + self._settings.batch_seconds):
                await self._enough.wait()
        except TimeoutError:
            return

    def _batch(self) -> list[Item]:
        waiting, settings = self._waiting, self._settings
        batch: list[Item] = []
        total = 0
        while waiting and len(batch) < settings.batch_entries:
            if batch and total + waiting[0][1] > settings.batch_bytes:
                break
            entry, length = waiting.popleft()
            batch.append(entry)
            total += length
        self._bytes -= total
        self._bytes_in_hand = total
        enough = len(waiting) >= settings.batch_entries or self._bytes >= settings.batch_bytes
        if not (enough or self._closing):
            self._enough.clear()
        return batch
