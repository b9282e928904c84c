"""MCP over gRPC: `istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream`, the source's side.

Nonces count per stream. A request with an empty nonce (re)starts the watch of its collection; one with the nonce of
the unanswered response is its ACK, or with an error its NACK; any other is stale, counted and ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from flotilla_galley.distribution.distributor import CollectionSubscription, Distributor
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import Delta, ObjectKey
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.peers import Peer, peer_of
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused
from flotilla_shared.runtime.streams.codec import to_response
from flotilla_shared.runtime.whole_writes import WholeWrites

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"

_log = get_logger(__name__)


class StreamRefused(Exception):
    """The stream must end with a status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class McpStream:
    """One stream's state machine: requests in, responses out. No transport."""

    def __init__(self, subscription: CollectionSubscription, metrics: DistributionMetrics) -> None:
        self._subscription = subscription
        self._metrics = metrics
        self._nonce = 0
        self._unanswered: dict[str, tuple[str, Delta]] = {}

    def request(self, request: RequestResources) -> None:
        """Take a request. Raises StreamRefused."""
        collection = request.collection
        if by_collection(collection) is None:
            raise StreamRefused(grpc.StatusCode.INVALID_ARGUMENT, f"unsupported collection {collection!r}")
        if not request.response_nonce:
            self._watch(request)
            return
        nonce, delta = self._unanswered.get(collection, ("", None))
        if delta is None or request.response_nonce != nonce:
            self._metrics.stale(collection)
            return
        del self._unanswered[collection]
        if request.HasField("error_detail"):
            self._refused(delta, request.error_detail)
        else:
            self._taken(delta)

    def _watch(self, request: RequestResources) -> None:
        held = None
        if request.incremental:
            versions = request.initial_resource_versions
            held = {ObjectKey.parse(request.collection, name): version for name, version in versions.items()}
        self._unanswered.pop(request.collection, None)
        try:
            self._subscription.watch(request.collection, held, incremental=request.incremental)
        except SubscriptionRefused as error:
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, str(error)) from error

    def _taken(self, delta: Delta) -> None:
        self._metrics.acked(delta.collection)
        self._subscription.ack(delta)

    def _refused(self, delta: Delta, error: Any) -> None:
        self._metrics.nacked(delta.collection, error.code)
        _log.warning(
            "configuration refused by subscriber",
            caller=self._subscription.caller,
            collection=delta.collection,
            version=delta.version,
            error=error.message,
        )
        self._subscription.nack(delta, error.message)

    async def response(self) -> bytes:
        """The next response's bytes. Raises StreamRefused."""
        try:
            delta = await self._subscription.next()
        except SubscriptionRefused as error:
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, str(error)) from error
        self._nonce += 1
        self._unanswered[delta.collection] = (str(self._nonce), delta)
        self._metrics.sent(delta.collection)
        return to_response(delta, str(self._nonce)).SerializeToString()


class McpService(grpc.GenericRpcHandler):
    """The gRPC handler."""

    def __init__(
        self,
        distributor: Distributor,
        metrics: DistributionMetrics,
        peer: Callable[[Any], Peer] = peer_of,
    ) -> None:
        self._distributor = distributor
        self._metrics = metrics
        self._peer = peer
        self._handler: Any = grpc.stream_stream_rpc_method_handler(self._serve, RequestResources.FromString)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == METHOD else None

    async def _serve(self, _: Any, context: Any) -> None:
        caller = self._peer(context).identity or ""
        try:
            subscription = self._distributor.open(caller)
        except SubscriptionRefused as error:
            self._metrics.unauthorized()
            _log.warning("unauthorized peer", caller=caller, peer=self._peer(context).address)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"Authentication failure: {error}")
            return
        self._metrics.opened(1)
        try:
            await self._run(McpStream(subscription, self._metrics), context)
        except StreamRefused as error:
            _log.warning("configuration stream refused", caller=caller, error=str(error))
            await context.abort(error.code, str(error))
        finally:
            self._metrics.opened(-1)
            subscription.close()

    async def _run(self, stream: McpStream, context: Any) -> None:
        """Read and write until the client is done or one of the two is refused."""
        writes = WholeWrites(context.write)
        work = [asyncio.create_task(_read(stream, context)), asyncio.create_task(_write(stream, writes))]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            await writes.finish()
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def _read(stream: McpStream, context: Any) -> None:
    while (request := await context.read()) is not grpc.aio.EOF:
        stream.request(request)


async def _write(stream: McpStream, writes: WholeWrites) -> None:
    while True:
        await writes.write(await stream.response())
