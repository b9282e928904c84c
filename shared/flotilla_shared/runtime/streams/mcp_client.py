"""The MCP sink: asks Galley for collections over gRPC, hands on deltas, answers each with ACK or NACK.

It reconnects for ever, and asks anew with the versions that it holds, so that only what changed comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import grpc

from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources, SinkNode
from flotilla_shared.model.objects import Delta, ObjectKey
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.carrier import DeltaConsumer, DeltaRefused
from flotilla_shared.runtime.streams.codec import UndecodableResource, from_response

METHOD = "/istio.mcp.v1alpha1.ResourceSource/EstablishResourceStream"
INVALID, UNKNOWN, UNIMPLEMENTED = 3, 2, 12  # google.rpc codes, as Istio's sinks send them

_log = get_logger(__name__)


class McpClient:
    """Component. `open_channel` gives a new channel, which the client closes. Without `incremental` it asks for whole
    collections, as 1.4's sinks do; `decode` raises UndecodableResource.

    `synced` holds the collections that have come at least once since the start; `connected` says whether a
    stream is open, and `last_error` why not.
    """

    def __init__(
        self,
        *,
        open_channel: Callable[[], grpc.aio.Channel],
        node_id: str,
        collections: Sequence[str],
        consumer: DeltaConsumer,
        backoff: Backoff | None = None,
        node_annotations: Mapping[str, str] = MappingProxyType({}),
        incremental: bool = True,
        decode: Callable[[Resources], Delta] = from_response,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_channel = open_channel
        self._node = SinkNode(id=node_id, annotations=node_annotations)
        self._incremental = incremental
        self._decode = decode
        self._collections = tuple(collections)
        self._consumer = consumer
        self._backoff = backoff or Backoff(first=0.1, cap=1.0)
        self._on_change = on_change
        self._tasks = Tasks("mcp")
        self._session: asyncio.Task[None] | None = None
        self._held: dict[str, dict[ObjectKey, str]] = {name: {} for name in collections}
        self.synced: set[str] = set()
        self.connected = False
        self.last_error = "has not connected yet"

    async def start(self) -> None:
        """Begin; returns at once."""
        self._session = self._tasks.spawn(self._keep(None), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    def renew(self) -> None:
        """Move to a new channel, for a renewed certificate: the old stream goes on until the new one answers."""
        if self._session is not None and not self._session.done():
            self._session = self._tasks.spawn(self._keep(self._session), "keep")

    async def _keep(self, before: asyncio.Task[None] | None) -> None:
        while True:
            try:
                await self._stream(before)
                self.last_error = "the source ended the stream"
            except grpc.aio.AioRpcError as error:
                self.last_error = f"{error.code().name}: {error.details()}"
            except (OSError, RuntimeError, ValueError) as error:
                self.last_error = str(error)
            self._disconnected()
            before = None
            await asyncio.sleep(self._backoff.next())

    def _disconnected(self) -> None:
        if self.connected:
            _log.warning("configuration stream lost", error=self.last_error)
        self.connected = False
        self._on_change()

    async def _stream(self, before: asyncio.Task[None] | None) -> None:
        channel = self._open_channel()
        try:
            call = channel.stream_stream(
                METHOD,
                request_serializer=RequestResources.SerializeToString,
                response_deserializer=Resources.FromString,
            )()
            for collection in self._collections:
                await call.write(self._first_request(collection))
            await self._read(call, before)
        finally:
            await channel.close()

    async def _read(self, call: Any, before: asyncio.Task[None] | None) -> None:
        while (response := await call.read()) is not grpc.aio.EOF:
            if before is not None:
                before.cancel()
                await asyncio.gather(before, return_exceptions=True)
                before = None
            if not self.connected:
                _log.info("configuration stream open")
                self.connected, self.last_error = True, ""
                self._backoff.reset()
            await call.write(await self._take(response))
            self._on_change()

    def _first_request(self, collection: str) -> RequestResources:
        request = RequestResources(sink_node=self._node, collection=collection, incremental=self._incremental)
        if self._incremental:
            held = {key.full_name: version for key, version in self._held[collection].items()}
            request.initial_resource_versions.update(held)
        return request

    async def _take(self, response: Resources) -> RequestResources:
        """Apply a response; the answer to it."""
        answer = RequestResources(
            sink_node=self._node,
            collection=response.collection,
            response_nonce=response.nonce,
            incremental=response.incremental,
        )
        if response.collection not in self._held:
            return _refused(answer, UNIMPLEMENTED, f"collection {response.collection!r} was not asked for")
        try:
            delta = self._decode(response)
            await self._consumer.apply(delta)
        except UndecodableResource as error:
            return _refused(answer, UNKNOWN, str(error))
        except DeltaRefused as error:
            return _refused(answer, INVALID, str(error))
        self._hold(delta)
        return answer

    def _hold(self, delta: Delta) -> None:
        held = {} if delta.full else self._held[delta.collection]
        held.update({item.key: item.version for item in delta.upserts})
        for key in delta.removed:
            held.pop(key, None)
        self._held[delta.collection] = held
        self.synced.add(delta.collection)


def _refused(answer: RequestResources, code: int, text: str) -> RequestResources:
    _log.warning("configuration refused", collection=answer.collection, error=text)
    answer.error_detail.code = code
    answer.error_detail.message = text
    return answer
