"""The aggregated discovery service: state of the world and delta."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from flotilla_pilot.delivery.connection import StreamEnded
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.delivery.metrics import DeliveryMetrics
from flotilla_pilot.delivery.request import Dialect, RequestRefused, parse_request
from flotilla_pilot.servers.admission import admit
from flotilla_shared.runtime.line_limit import LineLimit
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import Peer, peer_of

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHODS: dict[str, Dialect] = {"StreamAggregatedResources": "sotw", "DeltaAggregatedResources": "delta"}
FIRST_REQUEST_SECONDS = 15.0

_log = get_logger(__name__)


class AdsService:
    """Both ADS streams as one generic handler; messages are bytes in and bytes out.

    `unready` gives what is still missing before Pilot may answer, empty when nothing is.
    """

    def __init__(
        self, delivery: Delivery, metrics: DeliveryMetrics, trust_domain: str, unready: Callable[[], str]
    ) -> None:
        self._delivery = delivery
        self._metrics = metrics
        self._trust_domain = trust_domain
        self._unready = unready
        self._lines = LineLimit()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server registers."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {name: grpc.stream_stream_rpc_method_handler(self._stream(dialect)) for name, dialect in METHODS.items()},
        )

    def _stream(self, dialect: Dialect) -> Any:
        async def stream(_requests: object, context: Any) -> None:
            ended = await self._serve(dialect, context)
            if ended.code is not grpc.StatusCode.OK:
                self._metrics.refused.labels(ended.code.name).inc()
                await context.abort(ended.code, ended.text)

        return stream

    async def _serve(self, dialect: Dialect, context: Any) -> StreamEnded:
        peer = peer_of(context)
        try:
            _require_identity(peer)
            self._require_ready()
            first = await _first_message(context)
            request = _parsed(dialect, first)
            proxy = admit(request.node, peer, self._trust_domain)
            self._require_ready()
        except StreamEnded as refused:
            self._log_refusal(refused, peer)
            return refused
        ended = await self._delivery.serve(proxy, peer, dialect, first, context.read, context.write)
        if ended.code is grpc.StatusCode.ALREADY_EXISTS:
            self._log_refusal(ended, peer)
        return ended

    def _log_refusal(self, ended: StreamEnded, peer: Peer) -> None:
        if ended.code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE):
            return
        not_logged = self._lines.take()
        if not_logged is not None:
            _log.warning(
                "stream refused", peer=peer.address, code=ended.code.name, error=ended.text, not_logged=not_logged
            )

    def _require_ready(self) -> None:
        missing = self._unready()
        if missing:
            raise StreamEnded(grpc.StatusCode.UNAVAILABLE, f"Pilot is not ready: {missing}")


def _require_identity(peer: Peer) -> None:
    """Nothing is read from a stranger."""
    if peer.identity is None:
        text = "the stream came without a client certificate; Pilot needs one with the workload's identity"
        raise StreamEnded(grpc.StatusCode.UNAUTHENTICATED, text)


async def _first_message(context: Any) -> bytes:
    try:
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            message = await context.read()
    except TimeoutError as error:
        raise StreamEnded(grpc.StatusCode.DEADLINE_EXCEEDED, "the stream sent no request") from error
    if message is grpc.aio.EOF:
        raise StreamEnded(grpc.StatusCode.OK)
    assert isinstance(message, bytes)
    return message


def _parsed(dialect: Dialect, message: bytes) -> Any:
    try:
        return parse_request(dialect, message)
    except RequestRefused as refused:
        raise StreamEnded(grpc.StatusCode.INVALID_ARGUMENT, str(refused)) from refused
