"""MCP: `istio.mcp.v1alpha1`, the source's side of a stream, whoever dialled.

Nonces count per stream. A request with an empty nonce (re)starts the watch of its collection; one with the nonce of
the unanswered response is its ACK, or with an error its NACK; any other is stale, counted and ignored.
"""

from __future__ import annotations

import grpc

from flotilla_galley.distribution.offers import Offer
from flotilla_galley.distribution.stream import StreamRefused, SubscriberStream
from flotilla_galley.distribution.streams import StreamService
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from flotilla_shared.model.objects import Delta

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
TRIGGER = "$triggerCollection"


class McpStream(SubscriberStream[RequestResources]):
    """One stream's state machine: requests in, responses out. No transport."""

    decode = staticmethod(RequestResources.FromString)

    def request(self, request: RequestResources) -> None:
        """Take a request. Raises StreamRefused."""
        collection = request.collection
        if collection == TRIGGER:
            return  # the answer to what only forces a dialled stream open
        if collection not in self.distributor.collections:
            raise StreamRefused(grpc.StatusCode.INVALID_ARGUMENT, f"unsupported collection {collection!r}")
        if not request.response_nonce:
            held = dict(request.initial_resource_versions) if request.incremental else None
            self.watch(collection, held, incremental=request.incremental)
            return
        delta = self.answered(collection, request.response_nonce)
        if delta is not None:
            self.subscription.want(collection, incremental=request.incremental)
            self._take(delta, request)

    def _take(self, delta: Delta, request: RequestResources) -> None:
        if request.HasField("error_detail"):
            self.refuse(delta, request.error_detail.code, request.error_detail.message)
        else:
            self.acknowledge(delta)

    def encode(self, offer: Offer, nonce: str) -> bytes:
        return offer.mcp(nonce)


class McpService(StreamService):
    """The gRPC handler: who dials is the sink."""

    method = METHOD
    stream = McpStream
