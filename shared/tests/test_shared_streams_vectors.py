"""The MCP sink against transcripts of Istio 1.4's: a gRPC server plays the source as it was recorded."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.streams.carrier import DeltaRefused
from flotilla_shared.runtime.streams.codec import UndecodableResource
from flotilla_shared.runtime.streams.mcp_client import METHOD, McpClient

Event = dict[str, Any]
VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
FAKE_TYPE = "type.googleapis.com/istio.io.galley.pkg.mcp.server.FakeType"


def decode(response: Resources) -> Delta:
    """The recorded types hold any text, so the body stays as it is."""
    for each in response.resources:
        if not each.body.type_url.startswith(FAKE_TYPE):
            raise UndecodableResource(f"there is no type {each.body.type_url}")
    items = [
        ConfigObject(ObjectKey.parse(response.collection, each.metadata.name), each.metadata.version, each.body)
        for each in response.resources
    ]
    gone = [ObjectKey.parse(response.collection, name) for name in response.removed_resources]
    full = not response.incremental
    return Delta(response.collection, response.system_version_info, tuple(items), tuple(gone), full)


class Source(grpc.GenericRpcHandler):
    """Says what it is told to; each stream lives until it is told how to end."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.says: asyncio.Queue[bytes | grpc.StatusCode] = asyncio.Queue()

    def service(self, handler_call_details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._serve) if handler_call_details.method == METHOD else None

    async def _serve(self, _: Any, context: Any) -> None:
        reading = asyncio.create_task(self._listen(context))
        try:
            while isinstance(said := await self.says.get(), bytes):
                await context.write(said)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if said is not grpc.StatusCode.OK:
            await context.abort(said, "as it was recorded")

    async def _listen(self, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            self.heard.put_nowait(request)


class Consumer:
    def __init__(self) -> None:
        self.applied: asyncio.Queue[Delta] = asyncio.Queue()
        self.refuse = ""

    async def apply(self, delta: Delta) -> None:
        self.applied.put_nowait(delta)
        if self.refuse:
            raise DeltaRefused(self.refuse)


class SinkPlay:
    """One transcript; what the recorded source and consumer did is done here."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.events: list[Event] = case["events"]
        self.source, self.consumer = Source(), Consumer()
        self.server = GrpcServer("127.0.0.1", 0, generic_handlers=(self.source,), grace_seconds=0)
        firsts = [RequestResources.FromString(wire(each)) for each in self._first_sends()]
        self.client = McpClient(
            open_channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{self.server.bound_port}"),
            node_id=firsts[0].sink_node.id,
            node_annotations=dict(firsts[0].sink_node.annotations),
            collections=[each.collection for each in firsts],
            incremental=firsts[0].incremental,
            consumer=self.consumer,
            backoff=Backoff(0.01, 0.02),
            decode=decode,
        )

    def _first_sends(self) -> list[Event]:
        found = []
        for event in self.events:
            if event["event"] not in ("sink_sends", "step"):
                break
            found += [event] if event["event"] == "sink_sends" else []
        return found

    async def play(self) -> None:
        await self.server.start()
        await self.client.start()
        try:
            for index, event in enumerate(self.events):
                await getattr(self, f"_{event['event']}")(event, index)
        finally:
            await self.client.stop()
            await self.server.stop()

    async def _step(self, event: Event, index: int) -> None:
        """A label."""

    async def _sink_sends(self, event: Event, index: int) -> None:
        """Requests that follow one another come in any order: they are compared at the last of them."""
        if index + 1 < len(self.events) and self.events[index + 1]["event"] == "sink_sends":
            return
        group = [event]
        while self.events[index - len(group)]["event"] == "sink_sends" and len(group) <= index:
            group.append(self.events[index - len(group)])
        heard = [await asyncio.wait_for(self.source.heard.get(), 10) for _ in group]
        assert sorted(map(plain, heard)) == sorted(plain(wire(each)) for each in group)

    async def _sink_receives(self, event: Event, index: int) -> None:
        after = next((each for each in self.events[index:] if each["event"] in ("applied", "sink_sends")), event)
        self.consumer.refuse = after.get("consumer_refuses_with", "")
        self.source.says.put_nowait(wire(event))

    async def _applied(self, event: Event, index: int) -> None:
        delta = await asyncio.wait_for(self.consumer.applied.get(), 10)
        assert (delta.collection, delta.version, not delta.full) == tuple(
            event[name] for name in ("collection", "version", "incremental")
        )
        objects = [
            {"name": each.key.full_name, "type_url": each.spec.type_url, "version": each.version}
            for each in delta.upserts
        ]
        assert objects == (event["objects"] or [])
        assert [key.full_name for key in delta.removed] == (event["removed"] or [])

    async def _receive_fails(self, event: Event, index: int) -> None:
        status = grpc.StatusCode.OK if event["error"] == "EOF" else grpc.StatusCode.UNKNOWN
        self.source.says.put_nowait(status)

    _send_fails = _receive_fails

    async def _stream_ended(self, event: Event, index: int) -> None:
        """Then it asks again, or the transcript is over."""


def wire(event: Event) -> bytes:
    return base64.b64decode(event["wire_base64"])


def plain(request: bytes) -> bytes:
    """A request to compare: texts of errors are for people."""
    message = RequestResources.FromString(request)
    message.error_detail.message = ""
    message.error_detail.ClearField("details")
    if not message.error_detail.code:
        message.ClearField("error_detail")
    return message.SerializeToString(deterministic=True)


async def test_transcripts_of_the_sink() -> None:
    file = VECTORS / "1.4" / "mcp" / "sink.jsonl"
    if not file.is_file():
        pytest.skip(f"no vectors at {VECTORS}: set FLOTILLA_VECTORS to the folder that holds them")
    counts: Counter[str] = Counter()
    for case in map(json.loads, file.read_text().splitlines()):
        await SinkPlay(case).play()
        counts["ran"] += 1
    print(f"1.4/mcp/sink: {counts['ran']} ran, 0 skipped, 0 differ")
    assert counts["ran"] >= 3
