"""The newest snapshot, and everybody who wants it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.offers import Offers
from flotilla_galley.distribution.subscription import CollectionSubscription
from flotilla_galley.snapshot.encoded import ResourceBytes
from flotilla_galley.snapshot.snapshot import COLLECTIONS, Snapshot
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused
from flotilla_shared.runtime.trace import HopRecorder


class Distributor:
    """A ConfigurationSource. `snapshot` is None before the first.

    `trace` hears what was sent to whom and taken, whatever carries it. `resources` are the bytes of objects, `offers`
    those of deltas: both are shared by all subscribers.
    """

    def __init__(
        self,
        access: Callable[[], AccessList],
        trace: HopRecorder | None = None,
        *,
        resources: ResourceBytes | None = None,
        collections: Collection[str] = COLLECTIONS,
    ) -> None:
        self.access = access
        self.trace = trace
        self.snapshot: Snapshot | None = None
        self.collections = frozenset(collections)
        self.resources = resources or ResourceBytes()
        self.offers = Offers(self.resources)
        self.subscriptions: dict[CollectionSubscription, None] = {}

    def subscribe(self, caller: str, collections: Sequence[str]) -> CollectionSubscription:
        """A stream of these collections for an identity, from nothing. Raises SubscriptionRefused."""
        subscription = self.open(caller)
        for collection in collections:
            subscription.watch(collection, {})
        return subscription

    def open(self, caller: str, access: AccessList | None = None) -> CollectionSubscription:
        """A stream that watches nothing yet; `access` is its own, instead of the list. Raises SubscriptionRefused for
        who may have nothing.
        """
        if not (access or self.access()).knows(caller):
            raise SubscriptionRefused(f"{caller or 'a caller without identity'} is not on the access list")
        subscription = CollectionSubscription(self, caller, access)
        self.subscriptions[subscription] = None
        return subscription

    def check(self, caller: str, collection: str, access: AccessList | None = None) -> None:
        """Raises SubscriptionRefused."""
        if not (access or self.access()).allows(caller, collection):
            raise SubscriptionRefused(f"{caller} may not have {collection}: the access list does not grant it")

    def publish(self, snapshot: Snapshot) -> None:
        """Make a snapshot the newest; subscribers get what it changes for them."""
        before, self.snapshot = self.snapshot, snapshot
        changed = snapshot.changed_from(before)
        self.offers.forget(changed)
        self.resources.keep(snapshot.collections.values())
        for subscription in list(self.subscriptions):
            subscription.notify(changed)

    def notify(self) -> None:
        """Who may have what has changed."""
        for subscription in list(self.subscriptions):
            subscription.notify()

    def forget(self, subscription: CollectionSubscription) -> None:
        self.subscriptions.pop(subscription, None)

    def view(self) -> list[dict[str, object]]:
        return [subscription.view() for subscription in self.subscriptions]
