"""What the state machines of both protocols share: nonces of one stream, and what is unanswered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import grpc

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.offers import Offer
from flotilla_galley.distribution.subscription import CollectionSubscription, SubscriptionClosed
from flotilla_shared.model.objects import Delta
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused

R = TypeVar("R")
_log = get_logger(__name__)


class StreamRefused(Exception):
    """The stream must end with a status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class SubscriberStream(ABC, Generic[R]):
    """One stream: requests in, responses out, no transport."""

    def __init__(
        self, distributor: Distributor, subscription: CollectionSubscription, metrics: DistributionMetrics
    ) -> None:
        self.distributor = distributor
        self.subscription = subscription
        self.metrics = metrics
        self._nonce = 0
        self._unanswered: dict[str, tuple[str, Delta]] = {}
        self._aside: deque[bytes] = deque()

    @staticmethod
    @abstractmethod
    def decode(content: bytes, /) -> Any:
        """A request of its bytes."""

    @abstractmethod
    def request(self, request: R) -> None:
        """Take a request. Raises StreamRefused."""

    @abstractmethod
    def encode(self, offer: Offer, nonce: str) -> bytes:
        """A response's bytes."""

    async def response(self) -> bytes:
        """The next response's bytes. Raises StreamRefused."""
        try:
            while not self._aside:
                offer = await self.subscription.offer()
                if offer is not None:
                    return self.respond(offer)
        except SubscriptionClosed as error:
            raise StreamRefused(grpc.StatusCode.UNAVAILABLE, str(error)) from error
        except SubscriptionRefused as error:
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, str(error)) from error
        return self._aside.popleft()

    def send_aside(self, content: bytes) -> None:
        """A response that nobody is to acknowledge, before all others."""
        self._aside.append(content)
        self.subscription.interrupt()

    def respond(self, offer: Offer) -> bytes:
        """The bytes of an offer under the stream's next nonce; it is unanswered from now on."""
        nonce = self.next_nonce()
        self._unanswered[offer.delta.collection] = (nonce, offer.delta)
        content = self.encode(offer, nonce)
        self.metrics.sent(offer.delta.collection, len(content))
        return content

    def next_nonce(self) -> str:
        self._nonce += 1
        return str(self._nonce)

    def watch(self, collection: str, held: Mapping[str, str] | None, *, incremental: bool) -> None:
        """Begin with a collection, or anew. Raises StreamRefused."""
        self._unanswered.pop(collection, None)
        try:
            self.subscription.watch(collection, held, incremental=incremental)
        except SubscriptionRefused as error:
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, str(error)) from error

    def answered(self, collection: str, nonce: str) -> Delta | None:
        """What a request with this nonce answers; None for a stale one, which is counted."""
        unanswered = self._unanswered.get(collection)
        if unanswered is None or unanswered[0] != nonce:
            self.metrics.stale(collection)
            return None
        del self._unanswered[collection]
        return unanswered[1]

    def acknowledge(self, delta: Delta) -> None:
        self.metrics.acked(delta.collection)
        self.subscription.ack(delta)

    def refuse(self, delta: Delta, code: int, text: str) -> None:
        self.metrics.nacked(delta.collection, code)
        _log.warning(
            "configuration refused by subscriber",
            caller=self.subscription.caller,
            collection=delta.collection,
            version=delta.version,
            error=text,
        )
        self.subscription.nack(delta, text)
