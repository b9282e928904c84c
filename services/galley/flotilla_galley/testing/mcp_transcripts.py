"""Plays transcripts of Istio 1.4's MCP source against ours: this side is the peer and the data store."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from flotilla_galley.distribution.access import EVERYTHING
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.limits import TokenBucket
from flotilla_galley.distribution.mcp import McpStream
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.stream import StreamRefused
from flotilla_galley.distribution.streams import run_stream
from flotilla_galley.snapshot.encoded import ResourceBytes
from flotilla_galley.snapshot.snapshot import CollectionSnapshot, Snapshot
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.metrics import ServiceMetrics

Event = dict[str, Any]
SECONDS = 60


def wire(message: Event) -> bytes:
    return base64.b64decode(message["wire_base64"])


class PeerFailed(Exception):
    """What the transcript's peer does to the stream."""


@dataclass
class Peer:
    """The other end of a stream: what it says, and what it hears."""

    says: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    hears: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    deaf_after: int = -1
    _given: bool = False

    async def read(self) -> Any:
        if self._given:
            self.says.task_done()
        said = await self.says.get()
        self._given = True
        if isinstance(said, Exception):
            raise said
        return said

    async def write(self, content: bytes) -> None:
        self.hears.put_nowait(content)
        self.deaf_after -= 1
        if self.deaf_after == 0:
            raise PeerFailed("send error")

    async def say(self, message: Any) -> None:
        """Return when it has been taken."""
        self.says.put_nowait(message)
        await asyncio.wait_for(self.says.join(), SECONDS)


class SourcePlay:
    """One transcript. `as_decided`: the peer asks for what the recorded data store answered with, since in the recording
    the data store, not the request, chose between a whole collection and a difference.
    """

    def __init__(self, case: dict[str, Any], *, as_decided: bool) -> None:
        self.events: list[Event] = case["events"]
        self.as_decided = as_decided
        self.otherwise: list[str] = []
        self._nonces: dict[str, str] = {}
        self._ours: dict[str, dict[str, str]] = {}
        self._theirs: dict[str, dict[str, str]] = {}
        self._early: dict[str, list[bytes]] = {}
        self._snapshots: dict[str, CollectionSnapshot] = {}
        names = {each["collection"] for each in self._with_collection()}
        encoded = ResourceBytes(lambda item: bytes(item.spec))
        self.distributor = Distributor(lambda: EVERYTHING, resources=encoded, collections=names)
        self.subscription = self.distributor.open("peer")
        self.peer = Peer(deaf_after=self._sends() if self._ending() == "send error" else -1)

    def _with_collection(self) -> Iterator[Event]:
        return (each for each in self.events if each["event"] in ("snapshot_available", "watch_opened"))

    def _sends(self) -> int:
        return sum(each["event"] == "source_sends" for each in self.events)

    def _ending(self) -> str:
        return str(next((each["error"] for each in self.events if each["event"] == "stream_ended"), ""))

    async def play(self) -> None:
        """Raises AssertionError where ours does otherwise."""
        stream = McpStream(self.distributor, self.subscription, DistributionMetrics(ServiceMetrics("galley")))
        run = asyncio.create_task(run_stream(stream, self.peer.read, self.peer.write, TokenBucket(1000, 1000)))
        try:
            for index, event in enumerate(self.events):
                known = getattr(self, f"_{event['event']}", None)
                assert known is not None, f"an event that is not known: {event['event']}"
                await known(event, index, run)
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    async def _step(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        """A label."""

    async def _snapshot_available(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        collection = event["collection"]
        items = {}
        for each in event["resources"]:
            metadata = each["fields"]["metadata"]
            key = ObjectKey.parse(collection, metadata["name"])
            items[key] = ConfigObject(key, metadata["version"], wire(each))
        self._snapshots[collection] = CollectionSnapshot(event["version"], items)
        self.distributor.publish(Snapshot(dict(self._snapshots)))

    async def _source_receives(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        request = RequestResources.FromString(wire(event))
        request.response_nonce = self._nonces.get(request.response_nonce, request.response_nonce)
        if self.as_decided:
            request.incremental = self._decided(index, request.collection, request.incremental)
        taken = asyncio.ensure_future(self.peer.say(request))
        await asyncio.wait({taken, run}, return_when=asyncio.FIRST_COMPLETED)
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)

    def _decided(self, index: int, collection: str, asked: bool) -> bool:
        """How the data store answered next."""
        later = (each for each in self.events[index:] if each["event"] == "source_sends")
        return next((bool(e["fields"]["incremental"]) for e in later if e["fields"]["collection"] == collection), asked)

    async def _watch_opened(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        watch = self.subscription.watches[event["collection"]]
        assert watch.answering is None or watch.held is not None
        assert (watch.offered or "") in (event["version"], self._newest(event["collection"]))
        if not self.as_decided:
            assert watch.incremental == event["incremental"]

    def _newest(self, collection: str) -> str:
        found = self._snapshots.get(collection)
        return found.version if found is not None else ""

    async def _source_sends(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        expected = Resources.FromString(wire(event))
        content = await self._heard(expected.collection)
        ours = Resources.FromString(content)
        self._nonces[expected.nonce] = ours.nonce
        if ours.incremental == expected.incremental:
            ours.nonce = expected.nonce
            assert ours == expected
            assert content == wire(event) or self._nonces[expected.nonce] != expected.nonce
        else:
            self.otherwise.append(f"response {expected.nonce}: answered as it was asked for")
        _apply(self._ours, ours)
        _apply(self._theirs, expected)
        assert self._ours == self._theirs

    async def _heard(self, collection: str) -> bytes:
        """The next response of a collection; their order is not fixed."""
        while not self._early.get(collection):
            content = await asyncio.wait_for(self.peer.hears.get(), SECONDS)
            self._early.setdefault(Resources.FromString(content).collection, []).append(content)
        return self._early[collection].pop(0)

    async def _receive_fails(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        self.peer.says.put_nowait(grpc.aio.EOF if event["error"] == "EOF" else PeerFailed(event["error"]))

    async def _send_fails(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        """Told by the end of the stream."""

    async def _stream_ended(self, event: Event, index: int, run: asyncio.Task[None]) -> None:
        text = event["error"]
        if not text:
            self.peer.says.put_nowait(grpc.aio.EOF)
        elif "receive error" in text:
            self.peer.says.put_nowait(PeerFailed(text))
        elif "canceled watch" in text:
            self.subscription.close()
        await asyncio.wait_for(asyncio.wait({run}), SECONDS)
        error = run.exception()
        assert (error is None) == (not text), f"ended with {error!r}"
        code = re.search(r"code = (\w+)", text)
        if isinstance(error, StreamRefused):
            assert code is not None
            assert error.code.name.replace("_", "").lower() == code[1].lower()
        assert self.peer.hears.empty(), "a response that the transcript does not have"


def _apply(state: dict[str, dict[str, str]], response: Resources) -> None:
    held = state.setdefault(response.collection, {})
    if not response.incremental:
        held.clear()
    held.update({each.metadata.name: each.metadata.version for each in response.resources})
    for name in response.removed_resources:
        held.pop(name, None)
