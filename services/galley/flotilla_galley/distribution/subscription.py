"""A subscriber's stream: from what it holds to the newest snapshot, one unanswered delta a collection."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.offers import Held, Offer
from flotilla_galley.snapshot.snapshot import NOTHING
from flotilla_shared.model.objects import Delta
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused

if TYPE_CHECKING:
    from flotilla_galley.distribution.distributor import Distributor

# A hop is worth recording where somebody may look for it: in a load of thousands nobody could.
MOST_TRACED = 256


class SubscriptionClosed(SubscriptionRefused):
    """The source has ended the subscription."""


@dataclass
class Watch:
    """One collection of one subscriber. `offered` is the version that it was given last, taken or refused."""

    incremental: bool
    held: Held
    offered: str | None = None
    answering: Offer | None = None
    acked: str = ""
    refused: str = ""


class CollectionSubscription:
    """Changes that come while a delta is unanswered become one. A refused version is not offered again.

    What a subscriber took is remembered as the published state that it was, which all share: a thousand subscribers
    cost no more memory than one, and a slow one keeps at most the states that it was given last.
    """

    def __init__(self, distributor: Distributor, caller: str, access: AccessList | None = None) -> None:
        self.caller = caller
        self.watches: dict[str, Watch] = {}
        self._distributor = distributor
        self._access = access
        self._pending: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._closed = self._interrupted = False

    def watch(self, collection: str, held: Mapping[str, str] | None = None, *, incremental: bool = True) -> None:
        """Begin (again) with a collection; `held` is what the subscriber has of it, MCP name -> version. Raises
        SubscriptionRefused.
        """
        self._check(collection)
        self.watches[collection] = Watch(incremental and held is not None, dict(held) if held else NOTHING)
        self._wake((collection,))

    async def next(self) -> Delta:
        """The next delta. Raises SubscriptionRefused when the caller has lost the right to a collection."""
        while (offer := await self.offer()) is None:
            pass
        return offer.delta

    def interrupt(self) -> None:
        """Let the `offer` that is waited for return None."""
        self._interrupted = True
        self._changed.set()

    async def offer(self) -> Offer | None:
        """The same, with its bytes; None after `interrupt`."""
        while True:
            self._changed.clear()
            if self._interrupted:
                self._interrupted = False
                return None
            while self._pending:
                collection = next(iter(self._pending))
                del self._pending[collection]
                self._check(collection)
                offer = self._due(collection, self.watches[collection])
                if offer is not None:
                    self._record("galley.sent", offer.delta)
                    return offer
            if self._closed:
                raise SubscriptionClosed("server canceled watch")
            await self._changed.wait()

    def _check(self, collection: str) -> None:
        self._distributor.check(self.caller, collection, self._access)

    def _due(self, collection: str, watch: Watch) -> Offer | None:
        snapshot = self._distributor.snapshot
        if snapshot is None or watch.answering is not None:
            return None
        current = snapshot.collections[collection]
        if current.version == watch.offered:
            return None
        first = watch.offered is None
        offer = self._distributor.offers.make(collection, current, watch.held, full=not watch.incremental)
        watch.offered = current.version
        if not first and watch.incremental and not (offer.delta.upserts or offer.delta.removed):
            return None
        watch.answering = offer
        return offer

    def ack(self, delta: Delta) -> None:
        watch = self._answered(delta)
        if watch is not None and watch.answering is not None:
            self._record("galley.acked", delta)
            watch.refused, watch.acked = "", delta.version
            watch.held, watch.answering = watch.answering.target, None
            self._wake_if_behind(delta.collection, watch)

    def nack(self, delta: Delta, text: str) -> None:
        watch = self._answered(delta)
        if watch is not None:
            watch.refused, watch.answering = text or "refused without a reason", None
            self._wake_if_behind(delta.collection, watch)

    def want(self, collection: str, *, incremental: bool) -> None:
        """How the next deltas of a collection are to come: the subscriber may change its mind with every answer."""
        self.watches[collection].incremental = incremental

    def _record(self, hop: str, delta: Delta) -> None:
        trace = self._distributor.trace
        if trace is not None and len(delta.upserts) <= MOST_TRACED:
            for item in delta.upserts:
                trace.record(hop, item.key, item.version, proxy=self.caller)

    def _answered(self, delta: Delta) -> Watch | None:
        watch = self.watches.get(delta.collection)
        return watch if watch is not None and watch.answering is not None and watch.answering.delta is delta else None

    def notify(self, collections: Collection[str] | None = None) -> None:
        """These collections have changed; None: everything may have, who may have what included."""
        wanted = list(self.watches) if collections is None else [each for each in collections if each in self.watches]
        if wanted:
            self._wake(wanted)

    def _wake_if_behind(self, collection: str, watch: Watch) -> None:
        """Most answers are the last: then nobody needs to look."""
        snapshot = self._distributor.snapshot
        if snapshot is not None and snapshot.collections[collection].version != watch.offered:
            self._wake((collection,))

    def _wake(self, collections: Collection[str]) -> None:
        self._pending.update(dict.fromkeys(collections))
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()
        self._distributor.forget(self)

    def view(self) -> dict[str, object]:
        return {"caller": self.caller, "collections": {name: _view(each) for name, each in self.watches.items()}}


def _view(watch: Watch) -> dict[str, object]:
    held = watch.held if isinstance(watch.held, Mapping) else watch.held.items
    return {"objects": len(held), "version": watch.offered, "acked": watch.acked, "refused": watch.refused}
