"""Entries that are added up in a handler, and told to its backend at intervals.

    add -> what the handler keeps (a sum, the last value)
    interval, or the end -> Source.collect -> batches -> Sender (tries, waits, tries again)

An item is what is sent of a sum: it stands for all entries that went into it since it was last taken. Every entry that was
added ends as sent or as dropped with a cause, as with a Delivery; one that the backend did not take may stay in its sum and
wait for the next round.

Merging (kit/merging.py) is for sums that begin anew with each round; here they go on, and are told again in each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from flotilla_mixer.kit.complaints import Complaints
from flotilla_mixer.kit.counters import CLOSING, HandlerCounter
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.sending import Item, Send, Sender

Collected = TypeVar("Collected")


class Source(Protocol[Collected]):
    """What a handler has added up."""

    def collect(self) -> Iterable[Collected]:
        """What there is to send now, each item once. Nothing of it is forgotten yet."""
        ...

    def size(self, item: Collected) -> int:
        """About how many bytes it will be."""
        ...

    def settle(self, items: Iterable[Collected], cause: str | None) -> int:
        """The backend has them (no cause), or they are given up: how many entries are sent or lost by that. What a later
        round will have is not lost.
        """
        ...

    def rest(self) -> int:
        """How many entries were added and never settled. The last question."""
        ...


class Rounds(Generic[Item]):
    """On one loop. `batch_seconds` of the settings is the interval between two rounds; what may wait is the source's matter."""

    def __init__(
        self,
        source: Source[Item],
        send: Send[Item],
        settings: DeliverySettings,
        counter: HandlerCounter,
        complaints: Complaints,
    ) -> None:
        self._source = source
        self._settings = settings
        self._counter = counter
        self._complaints = complaints
        self._sender: Sender[Item] = Sender(send, settings.retry, counter, complaints, source.settle)
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Nothing may be added any more."""
        return self._closing.is_set()

    def added(self, number: int) -> None:
        """So many entries went into the source."""
        self._counter.taken(number)

    def start(self, spawn: Callable[..., asyncio.Task[None]]) -> None:
        """The kit's: `spawn` runs the one task that sends."""
        self._task = spawn(self._run(), "rounds")

    async def close(self, grace_seconds: float) -> None:
        """A last round, for so long; then drop the rest. Safe twice."""
        self._closing.set()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=grace_seconds)
            if not done:
                self._task.cancel()
                await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """Drop what has not been sent. The task that sends must have ended."""
        task, self._task = self._task, None
        if task is None:
            return
        left = self._source.rest()
        self._sender.in_hand = ()
        if left:
            self._counter.given_up(CLOSING, left)
            self._complaints.say(CLOSING, "the handler is closed before all could be sent", entries=left)

    async def _run(self) -> None:
        """Until it is closed, with one round after that."""
        while True:
            closing = await self._interval()
            for batch in self._batches():
                await self._sender.deliver(batch)
            if closing:
                return

    async def _interval(self) -> bool:
        """Wait for the next round; whether it is the last."""
        try:
            async with asyncio.timeout(self._settings.batch_seconds):
                await self._closing.wait()
        except TimeoutError:
            pass
        return self._closing.is_set()

    def _batches(self) -> Iterator[list[Item]]:
        """Of a round, none of which is too large."""
        batch: list[Item] = []
        total = 0
        for item in self._source.collect():
            size = self._source.size(item)
            if batch and (len(batch) >= self._settings.batch_entries or total + size > self._settings.batch_bytes):
                yield batch
                batch, total = [], 0
            batch.append(item)
            total += size
        if batch:
            yield batch
