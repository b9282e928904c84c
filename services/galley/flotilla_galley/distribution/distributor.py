"""Deltas for each subscriber: from what it holds to the newest snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.snapshot.snapshot import CollectionSnapshot, Snapshot
from flotilla_shared.model.objects import Delta, ObjectKey
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused
from flotilla_shared.runtime.trace import HopRecorder

Held = dict[ObjectKey, str]


@dataclass
class _Watch:
    """One collection of one subscriber. `offered` is the version that it was given last, taken or refused."""

    incremental: bool
    held: Held
    offered: str | None = None
    answering: Delta | None = None
    refused: str = ""


class CollectionSubscription:
    """A subscriber's stream: one unanswered delta a collection, and the newest state when it asks again.

    Changes that come while a delta is unanswered become one. A refused version is not offered again.
    """

    def __init__(self, distributor: Distributor, caller: str) -> None:
        self.caller = caller
        self._distributor = distributor
        self._watches: dict[str, _Watch] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def watch(self, collection: str, held: Mapping[ObjectKey, str] | None = None, *, incremental: bool = True) -> None:
        """Begin (again) with a collection; `held` is what the subscriber has of it. Raises SubscriptionRefused."""
        self._distributor.check(self.caller, collection)
        self._watches[collection] = _Watch(incremental and held is not None, dict(held or {}))
        self._changed.set()

    async def next(self) -> Delta:
        """The next delta. Raises SubscriptionRefused when the caller has lost the right to a collection."""
        while True:
            self._changed.clear()
            for collection, watch in self._watches.items():
                self._distributor.check(self.caller, collection)
                delta = self._due(collection, watch)
                if delta is not None:
                    self._record("galley.sent", delta)
                    return delta
            if self._closed:
                raise SubscriptionRefused("the subscription is closed")
            await self._changed.wait()

    def _due(self, collection: str, watch: _Watch) -> Delta | None:
        snapshot = self._distributor.snapshot
        if snapshot is None or watch.answering is not None:
            return None
        current = snapshot.collections[collection]
        if current.version == watch.offered:
            return None
        first = watch.offered is None
        watch.answering = make_delta(collection, current, watch.held, full=not watch.incremental)
        watch.offered = current.version
        if not first and watch.incremental and not (watch.answering.upserts or watch.answering.removed):
            watch.answering = None
        return watch.answering

    def ack(self, delta: Delta) -> None:
        watch = self._answered(delta)
        if watch is not None:
            self._record("galley.acked", delta)
            watch.refused = ""
            held = {} if delta.full else watch.held
            held.update({item.key: item.version for item in delta.upserts})
            for key in delta.removed:
                held.pop(key, None)
            watch.held = held

    def nack(self, delta: Delta, text: str) -> None:
        watch = self._answered(delta)
        if watch is not None:
            watch.refused = text

    def _record(self, hop: str, delta: Delta) -> None:
        trace = self._distributor.trace
        if trace is not None:
            for item in delta.upserts:
                trace.record(hop, item.key, item.version, proxy=self.caller)

    def _answered(self, delta: Delta) -> _Watch | None:
        watch = self._watches.get(delta.collection)
        if watch is None or watch.answering is not delta:
            return None
        watch.answering = None
        self._changed.set()
        return watch

    def notify(self) -> None:
        """There is a new snapshot, or a new access list."""
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()
        self._distributor.forget(self)

    def view(self) -> dict[str, object]:
        return {
            "caller": self.caller,
            "collections": {
                name: {"objects": len(watch.held), "version": watch.offered, "refused": watch.refused}
                for name, watch in self._watches.items()
            },
        }


@dataclass
class Distributor:
    """A ConfigurationSource. Holds the newest snapshot (none before the first) and everybody who wants it.

    `trace` hears what was sent to whom and taken, whatever carries it.
    """

    access: Callable[[], AccessList]
    trace: HopRecorder | None = None
    snapshot: Snapshot | None = None
    _subscriptions: list[CollectionSubscription] = field(default_factory=list)

    def subscribe(self, caller: str, collections: Sequence[str]) -> CollectionSubscription:
        """A stream of these collections for an identity, from nothing. Raises SubscriptionRefused."""
        subscription = self.open(caller)
        for collection in collections:
            subscription.watch(collection, {})
        return subscription

    def open(self, caller: str) -> CollectionSubscription:
        """A stream that watches nothing yet. Raises SubscriptionRefused for who may have nothing."""
        if not self.access().knows(caller):
            raise SubscriptionRefused(f"{caller or 'a caller without identity'} is not on the access list")
        subscription = CollectionSubscription(self, caller)
        self._subscriptions.append(subscription)
        return subscription

    def check(self, caller: str, collection: str) -> None:
        """Raises SubscriptionRefused."""
        if not self.access().allows(caller, collection):
            raise SubscriptionRefused(f"{caller} may not have {collection}: the access list does not grant it")

    def publish(self, snapshot: Snapshot) -> None:
        """Make a snapshot the newest; subscribers get what it changes for them."""
        self.snapshot = snapshot
        self.notify()

    def notify(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.notify()

    def forget(self, subscription: CollectionSubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def view(self) -> list[dict[str, object]]:
        return [subscription.view() for subscription in self._subscriptions]


def make_delta(collection: str, current: CollectionSnapshot, held: Held, *, full: bool) -> Delta:
    """From what is held to what is current; `full` gives everything whatever is held."""
    if full:
        return Delta(collection, current.version, tuple(current.items.values()), (), True)
    upserts = tuple(item for key, item in current.items.items() if held.get(key) != item.version)
    removed = tuple(sorted(key for key in held if key not in current.items))
    return Delta(collection, current.version, upserts, removed, False)
