"""The gRPC side of streams: who may open one, how many, how fast, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import grpc

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.limits import StreamLimits, TokenBucket
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.stream import StreamRefused, SubscriberStream
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.monitoring import version_info
from flotilla_shared.runtime.peers import Peer, peer_of
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused
from flotilla_shared.runtime.whole_writes import WholeWrites

_log = get_logger(__name__)
_Read = Callable[[], Awaitable[Any]]


class StreamService(grpc.GenericRpcHandler):
    """A gRPC handler of one method, whose every call is a `stream`."""

    method: ClassVar[str]
    stream: ClassVar[type[SubscriberStream[Any]]]

    def __init__(
        self,
        distributor: Distributor,
        metrics: DistributionMetrics,
        limits: StreamLimits | None = None,
        peer: Callable[[Any], Peer] = peer_of,
    ) -> None:
        self._distributor = distributor
        self._metrics = metrics
        self._limits = limits or StreamLimits()
        self._peer = peer
        self._handler: Any = grpc.stream_stream_rpc_method_handler(self._serve, self.stream.decode)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == self.method else None

    async def _serve(self, _: Any, context: Any) -> None:
        caller = self._peer(context).identity or ""
        try:
            subscription = self._distributor.open(caller)
        except SubscriptionRefused as error:
            self._metrics.unauthorized()
            _log.warning("unauthorized peer", caller=caller, peer=self._peer(context).address)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"Authentication failure: {error}")
            return
        try:
            async with self._limits.one_more():
                await context.send_initial_metadata((("config.source.version", version_info()["version"]),))
                stream = self.stream(self._distributor, subscription, self._metrics)
                with self._metrics.open():
                    await run_stream(stream, context.read, context.write, self._limits.requests())
        except StreamRefused as error:
            _log.warning("configuration stream refused", caller=caller, error=str(error))
            self._metrics.failed_to_receive(error.code.name)
            await context.abort(error.code, str(error))
        except asyncio.CancelledError:
            self._metrics.failed_to_receive("CANCELLED")  # the peer is gone, or this server is
            raise
        finally:
            subscription.close()


async def run_stream(
    stream: SubscriberStream[Any], read: _Read, write: Callable[[bytes], Awaitable[None]], requests: TokenBucket
) -> None:
    """Read and write until the peer is done or one of the two is refused. Raises StreamRefused."""
    writes = WholeWrites(write)
    work = [
        asyncio.create_task(_read_all(stream, read, requests)),
        asyncio.create_task(_write_all(stream, writes)),
    ]
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        await writes.finish()
        for task in done:
            task.result()
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _read_all(stream: SubscriberStream[Any], read: _Read, requests: TokenBucket) -> None:
    while (request := await read()) is not grpc.aio.EOF:
        await requests.take()
        stream.request(request)


async def _write_all(stream: SubscriberStream[Any], writes: WholeWrites) -> None:
    """One response at a time: a peer that reads slowly holds up nobody, and is owed at most what is newest."""
    while True:
        try:
            # Not kept in a variable: a stream that waits for a change must not hold its last response.
            await writes.write(await stream.response())
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            stream.metrics.failed_to_send(type(error).__name__)
            raise
