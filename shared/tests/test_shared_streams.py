"""Configuration and status streams: the codec, both carriers, and what happens when the other side goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_protos.flotilla.status.v1.status_pb2 import StatusAck, StatusReport
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.kinds import GATEWAYS, WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey, Problem
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.streams.carrier import DeltaRefused, DirectClient, SubscriptionRefused
from flotilla_shared.runtime.streams.codec import (
    UndecodableResource,
    from_resource,
    from_response,
    to_resource,
    to_response,
)
from flotilla_shared.runtime.streams.mcp_client import METHOD as MCP
from flotilla_shared.runtime.streams.mcp_client import McpClient
from flotilla_shared.runtime.streams.status import METHOD as STATUS
from flotilla_shared.runtime.streams.status import DirectStatus, ObjectState, StatusClient, key_of, make_report


def entry(name: str, version: str = "v1", address: str = "1.2.3.4") -> ConfigObject:
    return ConfigObject(ObjectKey(WORKLOAD_ENTRIES, "ns", name), version, WorkloadEntry(address=address))


# codec

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=10)


@given(
    st.text("abc", min_size=1, max_size=5),
    texts,
    st.dictionaries(texts, texts, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
    st.integers(0, 4 * 10**18),
)
def test_an_object_is_the_same_after_the_wire(
    name: str, version: str, labels: dict[str, str], annotations: dict[str, str], created: int
) -> None:
    item = ConfigObject(
        ObjectKey(WORKLOAD_ENTRIES, "ns", name), version, WorkloadEntry(address="a"), labels, annotations, created
    )
    back = from_resource(WORKLOAD_ENTRIES, to_resource(item))
    assert back == item
    assert (back.labels, back.annotations, back.create_time_ns, back.spec) == (labels, annotations, created, item.spec)


@pytest.mark.parametrize("full", [True, False])
def test_a_delta_is_the_same_after_the_wire(full: bool) -> None:
    removed = () if full else (ObjectKey(WORKLOAD_ENTRIES, "ns", "gone"), ObjectKey(WORKLOAD_ENTRIES, "", "cluster"))
    delta = Delta(WORKLOAD_ENTRIES, "7", (entry("a"), entry("b")), removed, full)
    assert from_response(Resources.FromString(to_response(delta, "3").SerializeToString())) == delta


def test_resources_that_cannot_be_decoded_are_named() -> None:
    good = to_resource(entry("a"))
    for collection, change, words in (
        ("nothing", {}, "no collection 'nothing'"),
        (GATEWAYS, {}, "ns/a: its body is"),
        (WORKLOAD_ENTRIES, {"value": b"\xff\xff"}, "ns/a: its body cannot be decoded"),
        (WORKLOAD_ENTRIES, {"name": ""}, "has no name"),
        (WORKLOAD_ENTRIES, {"seconds": 2**50}, "outside of the calendar"),
    ):
        resource = type(good).FromString(good.SerializeToString())
        if "value" in change:
            resource.body.value = change["value"]
        if "name" in change:
            resource.metadata.name = change["name"]
        if "seconds" in change:
            resource.metadata.create_time.seconds = change["seconds"]
        with pytest.raises(UndecodableResource, match=words):
            from_resource(collection, resource)


# consumers and sources


class Consumer:
    """Holds what it is given; refuses what a test tells it to."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.refuse = ""
        self.taken: asyncio.Queue[Delta] = asyncio.Queue()

    async def apply(self, delta: Delta) -> None:
        if self.refuse:
            raise DeltaRefused(self.refuse)
        if delta.full:
            self.held.clear()
        self.held.update({item.key.name: item.version for item in delta.upserts})
        for key in delta.removed:
            self.held.pop(key.name, None)
        self.taken.put_nowait(delta)


class Source(grpc.GenericRpcHandler):
    """An MCP source whose every response a test sends by hand."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[RequestResources] = asyncio.Queue()
        self.streams: asyncio.Queue[Any] = asyncio.Queue()
        self._end: list[asyncio.Event] = []

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != MCP:
            return None
        return grpc.stream_stream_rpc_method_handler(
            self._serve, RequestResources.FromString, Resources.SerializeToString
        )

    async def _serve(self, _: Any, context: Any) -> None:
        self.streams.put_nowait(context)
        while (request := await context.read()) is not grpc.aio.EOF:
            self.requests.put_nowait(request)


class Link:
    """A source, a client and its consumer."""

    def __init__(self, collections: Sequence[str] = (WORKLOAD_ENTRIES,)) -> None:
        self.source, self.consumer = Source(), Consumer()
        self.server = GrpcServer("127.0.0.1", 0, generic_handlers=(self.source,), grace_seconds=0)
        self.client = McpClient(
            open_channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{self.server.bound_port}"),
            node_id="test",
            collections=collections,
            consumer=self.consumer,
            backoff=Backoff(0.01, 0.02),
        )

    async def send(self, stream: Any, delta: Delta, nonce: str) -> RequestResources:
        """Send a response; gives the answer to it."""
        await stream.write(to_response(delta, nonce))
        return await self.source.requests.get()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    link = Link()
    await link.server.start()
    await link.client.start()
    yield link
    await link.client.stop()
    await link.server.stop()


async def test_the_first_request_and_acknowledgements(link: Link) -> None:
    stream, first = await link.source.streams.get(), await link.source.requests.get()
    assert (first.collection, first.response_nonce, first.incremental, first.sink_node.id) == (
        WORKLOAD_ENTRIES,
        "",
        True,
        "test",
    )
    assert link.client.synced == set()
    answer = await link.send(stream, Delta(WORKLOAD_ENTRIES, "1", (entry("a"),)), "n1")
    assert (answer.response_nonce, answer.HasField("error_detail")) == ("n1", False)
    assert (link.consumer.held, link.client.synced, link.client.connected) == ({"a": "v1"}, {WORKLOAD_ENTRIES}, True)


async def test_what_cannot_be_taken_is_refused_with_a_reason(link: Link) -> None:
    stream, _ = await link.source.streams.get(), await link.source.requests.get()
    answer = await link.send(stream, Delta(GATEWAYS, "1"), "n1")
    assert (answer.error_detail.code, "was not asked for" in answer.error_detail.message) == (12, True)
    link.consumer.refuse = "not like this"
    answer = await link.send(stream, Delta(WORKLOAD_ENTRIES, "1", (entry("a"),)), "n2")
    assert (answer.error_detail.code, answer.error_detail.message) == (3, "not like this")
    bad = to_response(Delta(WORKLOAD_ENTRIES, "1", (entry("a"),)), "n3")
    bad.resources[0].body.value = b"\xff"
    await stream.write(bad)
    assert (await link.source.requests.get()).error_detail.code == 2
    assert link.client.synced == set()


async def test_after_a_loss_it_asks_with_what_it_holds(link: Link) -> None:
    stream, _ = await link.source.streams.get(), await link.source.requests.get()
    await link.send(stream, Delta(WORKLOAD_ENTRIES, "1", (entry("a"), entry("b"))), "n1")
    await link.send(stream, Delta(WORKLOAD_ENTRIES, "2", (), (entry("b").key,), False), "n2")
    with pytest.raises(BaseException):  # noqa: B017  # abort ends the handler by an exception of its own
        await stream.abort(grpc.StatusCode.UNAVAILABLE, "going away")
    again = await link.source.requests.get()
    assert dict(again.initial_resource_versions) == {"ns/a": "v1"}
    assert "UNAVAILABLE" in link.client.last_error
    assert link.consumer.held == {"a": "v1"}
    assert link.client.synced == {WORKLOAD_ENTRIES}, "what was synced stays so"


async def test_a_renewed_client_opens_the_new_stream_before_it_leaves_the_old(link: Link) -> None:
    first, _ = await link.source.streams.get(), await link.source.requests.get()
    await link.send(first, Delta(WORKLOAD_ENTRIES, "1", (entry("a"),)), "n1")
    link.client.renew()
    second, request = await link.source.streams.get(), await link.source.requests.get()
    assert dict(request.initial_resource_versions) == {"ns/a": "v1"}
    await link.send(first, Delta(WORKLOAD_ENTRIES, "2", (entry("b"),), (), False), "n2")
    assert link.consumer.held == {"a": "v1", "b": "v1"}, "the old stream still counts"
    await link.send(second, Delta(WORKLOAD_ENTRIES, "2", (entry("a"), entry("b")), (), True), "n1")
    assert link.consumer.held == {"a": "v1", "b": "v1"}


class Subscription:
    """A subscription that a test feeds."""

    def __init__(self) -> None:
        self.deltas: asyncio.Queue[Delta] = asyncio.Queue()
        self.answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.closed = False

    async def next(self) -> Delta:
        return await self.deltas.get()

    def ack(self, delta: Delta) -> None:
        self.answers.put_nowait((delta.version, ""))

    def nack(self, delta: Delta, text: str) -> None:
        self.answers.put_nowait((delta.version, text))

    def close(self) -> None:
        self.closed = True


async def test_the_carrier_inside_one_process() -> None:
    subscription, consumer = Subscription(), Consumer()

    class Direct:
        def subscribe(self, caller: str, collections: Sequence[str]) -> Subscription:
            assert (caller, collections) == ("me", (WORKLOAD_ENTRIES,))
            return subscription

    client = DirectClient(Direct(), "me", [WORKLOAD_ENTRIES], consumer)
    await client.start()
    subscription.deltas.put_nowait(Delta(WORKLOAD_ENTRIES, "1", (entry("a"),)))
    assert await subscription.answers.get() == ("1", "")
    assert (client.synced, client.connected) == ({WORKLOAD_ENTRIES}, True)
    consumer.refuse = "no"
    subscription.deltas.put_nowait(Delta(WORKLOAD_ENTRIES, "2"))
    assert await subscription.answers.get() == ("2", "no")
    await client.stop()
    assert (subscription.closed, client.connected) == (True, False)


# status

A, B = entry("a").key, entry("b").key


def test_reports_hold_what_changed_and_the_first_holds_everything() -> None:
    one, two = ObjectState("v1"), ObjectState("v2", False, (Problem("c", "f", "t"),), 3, 2, 1)
    first = make_report("pilot/1", 1, None, {A: one})
    assert first is not None
    assert (first.full, [key_of(each) for each in first.objects]) == (True, [A])
    assert make_report("pilot/1", 2, {A: one}, {A: one}) is None
    change = make_report("pilot/1", 3, {A: one, B: one}, {A: two})
    assert change is not None
    assert (change.full, change.sequence, len(change.objects)) == (False, 3, 2)
    changed, gone = change.objects
    assert (changed.version, changed.accepted, changed.proxies_rejected, changed.problems[0].text) == (
        "v2",
        False,
        1,
        "t",
    )
    assert (key_of(gone), gone.removed) == (B, True)
    empty = make_report("pilot/1", 1, None, {})
    assert empty is not None
    assert empty.full


class Receiver(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self.reports: asyncio.Queue[StatusReport] = asyncio.Queue()

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != STATUS:
            return None
        return grpc.stream_stream_rpc_method_handler(self._serve, StatusReport.FromString, StatusAck.SerializeToString)

    async def _serve(self, _: Any, context: Any) -> None:
        while (report := await context.read()) is not grpc.aio.EOF:
            self.reports.put_nowait(report)
            await context.write(StatusAck(sequence=report.sequence))


async def test_a_receiver_that_comes_back_is_told_everything() -> None:
    receiver = Receiver()
    server = GrpcServer("127.0.0.1", 0, generic_handlers=(receiver,), grace_seconds=0)
    await server.start()
    port = server.bound_port
    client = StatusClient(
        open_channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{port}", (("grpc.use_local_subchannel_pool", 1),)),
        reporter="pilot/1",
        interval_seconds=0.01,
        backoff=Backoff(0.01, 0.05),
    )
    await client.start()
    client.update({A: ObjectState("v1")})
    client.update({A: ObjectState("v2")})  # before anything was sent: only the newest goes
    first = await receiver.reports.get()
    assert (first.full, [each.version for each in first.objects]) == (True, ["v2"])
    client.update({A: ObjectState("v2"), B: ObjectState("v1")})
    second = await receiver.reports.get()
    assert (second.full, [each.name for each in second.objects]) == (False, ["b"])

    await server.stop()
    again = GrpcServer("127.0.0.1", port, generic_handlers=(receiver,), grace_seconds=0)
    await again.start()
    third = await receiver.reports.get()
    assert (third.full, len(third.objects)) == (True, 2)
    await client.stop()
    await again.stop()


class Board:
    """A StatusReceiver of the same process."""

    def __init__(self) -> None:
        self.reports: list[tuple[StatusReport, str]] = []
        self.heard = asyncio.Event()

    def receive(self, report: StatusReport, caller: str) -> None:
        self.reports.append((report, caller))
        self.heard.set()

    async def more(self) -> StatusReport:
        async with asyncio.timeout(10):
            await self.heard.wait()
        self.heard.clear()
        return self.reports[-1][0]


async def test_status_inside_one_process_is_the_same_report() -> None:
    board, key = Board(), ObjectKey(GATEWAYS, "ns", "g")
    client = DirectStatus(board, "spiffe://a", "mixer/x", interval_seconds=0)
    await client.start()
    first = {key: ObjectState("v1")}
    client.update(first)
    assert await board.more() == make_report("mixer/x", 1, None, first)
    second = {key: ObjectState("v2", accepted=False, problems=(Problem("code", "spec", "wrong"),))}
    client.update(second)
    assert await board.more() == make_report("mixer/x", 2, first, second)
    client.update({})
    gone = await board.more()
    assert [(status.name, status.removed) for status in gone.objects] == [("g", True)]
    assert {caller for _, caller in board.reports} == {"spiffe://a"}
    await client.stop()


async def test_status_that_has_not_changed_is_not_told_again() -> None:
    board, states = Board(), {ObjectKey(GATEWAYS, "ns", "g"): ObjectState("v1")}
    client = DirectStatus(board, "spiffe://a", "mixer/x", interval_seconds=0)
    await client.start()
    client.update(states)
    await board.more()
    client.update(dict(states))
    client.update(other := {ObjectKey(GATEWAYS, "ns", "h"): ObjectState("v1")})
    await board.more()
    assert len(board.reports) == 2
    assert {status.name for status in board.reports[1][0].objects} == {"g", "h"}
    assert other
    await client.stop()


class Grudging:
    """A source that refuses at first."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asked = asyncio.Event()

    def subscribe(self, caller: str, collections: Sequence[str]) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise SubscriptionRefused(f"{caller} is not on the list")
        self.asked.set()
        return self

    async def next(self) -> Delta:
        await asyncio.Event().wait()
        raise AssertionError

    def close(self) -> None:
        pass


async def test_a_refused_subscription_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flotilla_shared.runtime.streams.carrier.AGAIN_SECONDS", 0.01)
    source = Grudging(refusals=2)
    client = DirectClient(source, "me", [GATEWAYS], Consumer())
    await client.start()
    async with asyncio.timeout(10):
        await source.asked.wait()
    assert client.connected
    assert client.last_error == ""
    await client.stop()
