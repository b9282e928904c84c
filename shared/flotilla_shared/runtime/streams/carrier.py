"""One interface for configuration streams, whatever carries them.

A source (Galley) gives a subscriber one delta at a time and hears of each whether it was taken. What was refused
is not given again until it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from flotilla_shared.model.objects import Delta
from flotilla_shared.runtime.lifecycle import Tasks

AGAIN_SECONDS = 0.5


class DeltaRefused(Exception):
    """A consumer cannot take a delta; the text goes back to the source."""


class SubscriptionRefused(Exception):
    """The caller may not have what it asks for, or there is no such collection."""


class DeltaConsumer(Protocol):
    """Who uses configuration."""

    async def apply(self, delta: Delta) -> None:
        """Take a change of one collection, whole or not at all. Raises DeltaRefused."""
        ...


class Subscription(Protocol):
    """One subscriber's stream. One `next` at a time; each delta is answered by `ack` or `nack`."""

    async def next(self) -> Delta:
        """The next change of any collection asked for; the first of each is full, an empty one included."""
        ...

    def ack(self, delta: Delta) -> None: ...

    def nack(self, delta: Delta, text: str) -> None: ...

    def close(self) -> None: ...


class ConfigurationSource(Protocol):
    """Who distributes configuration."""

    def subscribe(self, caller: str, collections: Sequence[str]) -> Subscription:
        """`caller` is an identity (SPIFFE). Raises SubscriptionRefused."""
        ...


class DirectClient:
    """Component: the carrier for a source and a consumer that share a process and a loop."""

    def __init__(
        self, source: ConfigurationSource, caller: str, collections: Sequence[str], consumer: DeltaConsumer
    ) -> None:
        self._source = source
        self._caller = caller
        self._collections = tuple(collections)
        self._consumer = consumer
        self._tasks = Tasks("direct")
        self._subscription: Subscription | None = None
        self.synced: set[str] = set()
        self.last_error = ""

    @property
    def connected(self) -> bool:
        return self._subscription is not None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _keep(self) -> None:
        """Subscribe, also anew after a refusal: who may have what can change."""
        while True:
            try:
                self._subscription = self._source.subscribe(self._caller, self._collections)
                self.last_error = ""
                await self._follow(self._subscription)
            except SubscriptionRefused as refused:
                self.last_error = str(refused)
            finally:
                if self._subscription is not None:
                    self._subscription.close()
                    self._subscription = None
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, subscription: Subscription) -> None:
        while True:
            delta = await subscription.next()
            try:
                await self._consumer.apply(delta)
            except DeltaRefused as refused:
                subscription.nack(delta, str(refused))
            else:
                self.synced.add(delta.collection)
                subscription.ack(delta)
