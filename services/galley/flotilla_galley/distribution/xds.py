"""The same resources over ADS, state of the world: what an istiod with `configSources: [{address: xds://...}]` asks for.

A type is `group/version/Kind`, as istiod prints it: any version of a kind is answered, as it was asked for. What
decides is whether a request is the first of its type on its stream: istiod writes the time into its first nonces.
"""

from __future__ import annotations

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.offers import Offer
from flotilla_galley.distribution.stream import StreamRefused, SubscriberStream
from flotilla_galley.distribution.streams import StreamService
from flotilla_galley.distribution.subscription import CollectionSubscription
from flotilla_galley.snapshot.encoded import text_field
from flotilla_shared.model.kinds import MESH_CONFIG, Kind, by_collection, kind_of

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
CORE = "core"  # istiod prints an empty group so
MOST_UNKNOWN_TYPES = 256


def kind_of_type(type_url: str) -> Kind | None:
    """The kind of `group/version/Kind`, whatever the version; None for a type that there is not."""
    parts = type_url.split("/")
    if len(parts) != 3:
        return None
    group, _, name = parts
    group = "" if group == CORE else group
    return by_collection(MESH_CONFIG) if (group, name) == ("", "MeshConfig") else kind_of(group, name)


class XdsStream(SubscriberStream[DiscoveryRequest]):
    """One ADS stream's state machine. Every type that is asked for is answered, one that there is not by an empty list.

    A collection's first type is the one whose answers count; should somebody ask for two versions of a kind, the other
    gets the same along with it.
    """

    decode = staticmethod(DiscoveryRequest.FromString)

    def __init__(
        self, distributor: Distributor, subscription: CollectionSubscription, metrics: DistributionMetrics
    ) -> None:
        super().__init__(distributor, subscription, metrics)
        self._types: dict[str, list[str]] = {}
        self._unknown: set[str] = set()

    def request(self, request: DiscoveryRequest) -> None:
        """Take a request. Raises StreamRefused."""
        type_url = request.type_url
        kind = kind_of_type(type_url)
        if kind is None or kind.collection not in self.distributor.collections:
            self._answer_nothing(type_url)
            return
        types = self._types.setdefault(kind.collection, [])
        if type_url in types and (request.response_nonce or request.version_info):
            self._answer(kind.collection, request)
            return
        if type_url not in types:
            types.append(type_url)
        self.watch(kind.collection, None, incremental=False)

    def _answer_nothing(self, type_url: str) -> None:
        """Once: istiod waits for every type that it asks for."""
        if len(self._unknown) >= MOST_UNKNOWN_TYPES:
            raise StreamRefused(grpc.StatusCode.INVALID_ARGUMENT, f"too many unknown types, the last is {type_url!r}")
        if type_url not in self._unknown:
            self._unknown.add(type_url)
            self.send_aside(text_field(4, type_url) + text_field(5, self.next_nonce()))

    def _answer(self, collection: str, request: DiscoveryRequest) -> None:
        """An ACK or a NACK. The mesh configuration was taken when it was sent: istiod does not acknowledge it."""
        if collection == MESH_CONFIG or request.type_url != self._types[collection][0]:
            return
        delta = self.answered(collection, request.response_nonce)
        if delta is None:
            return
        if request.HasField("error_detail"):
            self.refuse(delta, request.error_detail.code, request.error_detail.message)
        else:
            self.acknowledge(delta)

    def respond(self, offer: Offer) -> bytes:
        collection = offer.delta.collection
        content = super().respond(offer)
        for other in self._types[collection][1:]:
            self.send_aside(offer.discovery(other, self.next_nonce()))
        if collection == MESH_CONFIG:
            del self._unanswered[MESH_CONFIG]
            self.acknowledge(offer.delta)
        return content

    def encode(self, offer: Offer, nonce: str) -> bytes:
        return offer.discovery(self._types[offer.delta.collection][0], nonce)


class XdsService(StreamService):
    """The gRPC handler."""

    method = METHOD
    stream = XdsStream
