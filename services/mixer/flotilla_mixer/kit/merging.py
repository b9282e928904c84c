"""Entries that a handler merges before they are sent: values of one series into one point, the same edge seen often.

    take -> the handler's own cells (it bounds them)
         -> every so many seconds, `drain`: the cells as items
         -> batches -> Sender (tries, waits, tries again), while new entries are merged into new cells

The books are those of a Delivery: every entry that was taken ends as sent or as dropped with a cause. What waits is
bounded by the cells of two rounds, however long the backend is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from flotilla_mixer.kit.complaints import Complaints
from flotilla_mixer.kit.counters import CLOSED, CLOSING, FAULT, HandlerCounter
from flotilla_mixer.kit.sending import Item, RetrySettings, Send, Sender


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """Seconds from the first entry of a round to its sending, and the most items of a batch."""

    seconds: float = 60.0
    batch_items: int = 1_000
    retry: RetrySettings = field(default_factory=RetrySettings)


class Merging(Generic[Item]):
    """`drain` empties the handler's cells and gives them as items; `number` says how many entries items stand for. On one
    loop.
    """

    def __init__(
        self,
        drain: Callable[[], Sequence[Item]],
        send: Send[Item],
        number: Callable[[Sequence[Item]], int],
        settings: MergeSettings,
        counter: HandlerCounter,
        complaints: Complaints,
    ) -> None:
        self._drain = drain
        self._number = number
        self._settings = settings
        self._counter = counter
        self._complaints = complaints
        self._sender = Sender(send, settings.retry, counter, complaints, lambda items, _: number(items))
        self._merged = 0  # entries in the handler's cells
        self._drained: Sequence[Item] = ()  # of this round, and not in the sender's hand yet
        self._some, self._closing = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def take(self, number: int) -> bool:
        """The handler merges so many entries now. False when it is closed: they are counted as dropped."""
        if self._closing.is_set():
            self._counter.dropped(CLOSED, number)
            return False
        if number:
            self._counter.taken(number)
            self._merged += number
            self._some.set()
        return True

    def give_up(self, cause: str, number: int) -> None:
        """So many of those just taken could not be merged."""
        self._counter.given_up(cause, number)
        self._merged -= number

    def start(self, spawn: Callable[..., asyncio.Task[None]]) -> None:
        """The kit's: `spawn` runs the one task that sends."""
        self._task = spawn(self._run(), "merge")

    async def close(self, grace_seconds: float) -> None:
        """Send what was merged, for so long; then drop the rest. Nothing is taken from now on. Safe twice."""
        self._closing.set()
        self._some.set()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=grace_seconds)
            if not done:
                self._task.cancel()
                await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """Drop what has not been sent. The task that sends must have ended."""
        left = self._merged + self._number(self._drained) + self._number(self._sender.in_hand)
        self._merged, self._drained, self._sender.in_hand = 0, (), ()
        if left:
            self._counter.given_up(CLOSING, left)
            self._complaints.say(CLOSING, "the handler is closed before all could be sent", entries=left)

    async def _run(self) -> None:
        """Until it is closed and nothing is merged."""
        while True:
            await self._some.wait()
            if not self._merged and self._closing.is_set():
                return
            await self._gather()
            self._end_round()
            while self._drained:
                most = self._settings.batch_items
                batch, self._drained = self._drained[:most], self._drained[most:]
                await self._sender.deliver(batch)

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(self._settings.seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _end_round(self) -> None:
        """What drain fails to give is lost by a mistake of the adapter, and counted as that."""
        merged, self._merged = self._merged, 0
        if not self._closing.is_set():
            self._some.clear()
        try:
            self._drained = self._drain()
        except Exception as error:  # noqa: BLE001  # whatever an adapter raises, its handler goes on
            self._complaints.say(
                FAULT, "what was merged could not be drained", error=f"{type(error).__name__}: {error}"
            )
        lost = merged - self._number(self._drained)
        self._counter.given_up(FAULT, max(0, lost))
