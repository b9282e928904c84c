"""Galley dials a sink: `istio.mcp.v1alpha1.ResourceSink`, where a sink cannot reach Galley but Galley can reach it.

The stream is the same with the roles of the transport turned round. Its first message is a trigger, as 1.4 sends it: it
forces the HTTP/2 stream open, is refused by every sink, and means nothing to either side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from flotilla_galley.distribution.access import EVERYTHING
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.limits import StreamLimits
from flotilla_galley.distribution.mcp import TRIGGER, McpStream
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.stream import StreamRefused
from flotilla_galley.distribution.streams import run_stream
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

METHOD = "/istio.mcp.v1alpha1.ResourceSink/EstablishResourceStream"
_log = get_logger(__name__)


class SinkDialer:
    """Component: keeps one stream to one sink, which gets every collection that it asks for: who names an address trusts it.

    `open_channel` gives a new channel, with the certificate that is current then; a lost stream is opened again after a
    second, 1.4's interval.
    """

    def __init__(
        self,
        address: str,
        open_channel: Callable[[], grpc.aio.Channel],
        distributor: Distributor,
        metrics: DistributionMetrics,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        limits: StreamLimits | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._address = address
        self._open_channel = open_channel
        self._distributor = distributor
        self._metrics = metrics
        self._metadata = tuple(metadata)
        self._limits = limits or StreamLimits()
        self._backoff = backoff or Backoff(first=1.0, cap=1.0)
        self._tasks = Tasks("sink")
        self.last_error = "has not connected yet"

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _keep(self) -> None:
        while True:
            try:
                await self._stream()
                self._lost("the sink ended the stream")
            except grpc.aio.AioRpcError as error:
                self._lost(f"{error.code().name}: {error.details()}")
            except (OSError, RuntimeError, asyncio.InvalidStateError, StreamRefused) as error:
                self._lost(str(error))
            await asyncio.sleep(self._backoff.next())
            self._metrics.reconnected()

    def _lost(self, error: str) -> None:
        if error != self.last_error:
            _log.warning("stream to the sink lost", sink=self._address, error=error)
        self.last_error = error

    async def _stream(self) -> None:
        channel = self._open_channel()
        subscription = self._distributor.open(f"sink {self._address}", EVERYTHING)
        try:
            call: Any = channel.stream_stream(METHOD, response_deserializer=RequestResources.FromString)(
                metadata=self._metadata
            )
            await call.write(Resources(collection=TRIGGER).SerializeToString())
            stream = McpStream(self._distributor, subscription, self._metrics)
            with self._metrics.open():
                await run_stream(stream, call.read, call.write, self._limits.requests())
        finally:
            subscription.close()
            await channel.close()
