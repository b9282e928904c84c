"""Who gets what, when: deltas for each subscriber, MCP and status over real mTLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.mcp import METHOD, McpService
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.view import distribution_view
from flotilla_galley.snapshot.snapshot import Snapshot, make_snapshot
from flotilla_galley.status.board import ReportRefused, StatusBoard
from flotilla_galley.status.service import METHOD as STATUS
from flotilla_galley.status.service import StatusService, Taking, reporting_accounts
from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusAck, StatusReport
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.kinds import GATEWAYS, SIDECARS, WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.streams.carrier import SubscriptionRefused
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.runtime.trace import HopRecorder
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity

PILOT = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"
STRANGER = "spiffe://cluster.local/ns/default/sa/stranger"
NAME = "istio-galley.istio-system.svc"
GRANTED = AccessList({PILOT: frozenset({WORKLOAD_ENTRIES, GATEWAYS})})


def entry(name: str, address: str = "1.2.3.4") -> ConfigObject:
    key, spec = ObjectKey(WORKLOAD_ENTRIES, "ns", name), WorkloadEntry(address=address)
    return ConfigObject(key, content_version(key, spec, {}, {}), spec)


def snapshot(*items: ConfigObject) -> Snapshot:
    return make_snapshot(items)


@pytest.fixture
def distributor() -> Distributor:
    return Distributor(lambda: GRANTED)


async def test_nothing_before_the_first_snapshot_then_everything_even_if_empty(distributor: Distributor) -> None:
    subscription = distributor.subscribe(PILOT, [WORKLOAD_ENTRIES, GATEWAYS])
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    distributor.publish(snapshot(entry("a")))
    first, second = await waiting, await subscription.next()
    assert {first.collection, second.collection} == {WORKLOAD_ENTRIES, GATEWAYS}
    assert {len(first.upserts), len(second.upserts)} == {1, 0}
    subscription.close()


async def test_only_what_changed_once_it_is_acknowledged(distributor: Distributor) -> None:
    distributor.publish(snapshot(entry("a"), entry("b")))
    subscription = distributor.subscribe(PILOT, [WORKLOAD_ENTRIES])
    subscription.ack(await subscription.next())
    distributor.publish(snapshot(entry("a"), entry("c"), entry("b", "1.1.1.1")))
    delta = await subscription.next()
    assert ([item.key.name for item in delta.upserts], delta.removed) == (["b", "c"], ())
    subscription.ack(delta)
    distributor.publish(snapshot(entry("c")))
    delta = await subscription.next()
    assert ([key.name for key in delta.removed], delta.upserts, delta.full) == (["a", "b"], (), False)
    subscription.close()


async def test_changes_while_a_delta_is_unanswered_become_one(distributor: Distributor) -> None:
    distributor.publish(snapshot(entry("a")))
    subscription = distributor.subscribe(PILOT, [WORKLOAD_ENTRIES])
    first = await subscription.next()
    for address in ("1.1.1.1", "1.1.1.2", "1.1.1.3"):
        distributor.publish(snapshot(entry("a", address)))
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    subscription.ack(first)
    assert (await waiting).upserts[0].spec.address == "1.1.1.3"
    subscription.close()


async def test_a_refused_version_is_not_given_again_until_it_changes(distributor: Distributor) -> None:
    distributor.publish(snapshot(entry("a")))
    subscription = distributor.subscribe(PILOT, [WORKLOAD_ENTRIES])
    subscription.nack(await subscription.next(), "no good")
    waiting = asyncio.create_task(subscription.next())
    distributor.publish(snapshot(entry("a")))
    await asyncio.sleep(0)
    assert not waiting.done()
    distributor.publish(snapshot(entry("a", "1.1.1.1")))
    delta = await waiting
    assert [item.spec.address for item in delta.upserts] == ["1.1.1.1"]
    assert "no good" in str(subscription.view())
    subscription.close()


async def test_who_holds_something_gets_the_difference(distributor: Distributor) -> None:
    distributor.publish(snapshot(entry("a"), entry("b")))
    subscription = distributor.open(PILOT)
    held = {"ns/a": entry("a").version, "ns/gone": "v"}
    subscription.watch(WORKLOAD_ENTRIES, held)
    delta = await subscription.next()
    assert ([item.key.name for item in delta.upserts], [key.name for key in delta.removed]) == (["b"], ["gone"])
    subscription.close()


async def test_the_page_says_who_has_what(distributor: Distributor) -> None:
    assert distribution_view(distributor) == {"collections": [], "sinks": []}
    first, second = (distributor.subscribe(PILOT, [WORKLOAD_ENTRIES]) for _ in range(2))
    assert {row["state"] for row in distribution_view(distributor)["sinks"]} == {"waiting"}  # type: ignore[attr-defined]
    published = snapshot(entry("a"))
    distributor.publish(published)
    first.ack(await first.next())
    second.nack(await second.next(), "no good")
    version = published.collections[WORKLOAD_ENTRIES].version
    row = {"collection": WORKLOAD_ENTRIES, "version": version, "objects": 1, "current": 1, "waiting": 0, "refused": 1}
    known = {"caller": PILOT, "collection": WORKLOAD_ENTRIES, "sent": version}
    assert distribution_view(distributor) == {
        "collections": [row],
        "sinks": [
            {**known, "state": "current", "acknowledged": version, "refused": ""},
            {**known, "state": "refused", "acknowledged": "", "refused": "no good"},
        ],
    }
    distributor.publish(snapshot(entry("b")))
    await first.next()
    assert [row["state"] for row in distribution_view(distributor)["sinks"]] == ["waiting", "waiting"]  # type: ignore[attr-defined]
    first.close()
    second.close()


async def test_access_that_is_lost_ends_the_subscription() -> None:
    access = [GRANTED]
    distributor = Distributor(lambda: access[0])
    distributor.publish(snapshot())
    subscription = distributor.subscribe(PILOT, [GATEWAYS])
    subscription.ack(await subscription.next())
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    access[0] = AccessList()
    distributor.notify()
    with pytest.raises(SubscriptionRefused):
        await waiting
    subscription.close()
    assert distributor.view() == []


@pytest.mark.parametrize(("caller", "collection"), [(STRANGER, GATEWAYS), (PILOT, SIDECARS), ("", GATEWAYS)])
def test_subscriptions_that_are_refused(distributor: Distributor, caller: str, collection: str) -> None:
    with pytest.raises(SubscriptionRefused):
        distributor.subscribe(caller, [collection])


# over the wire


class Wire:
    """A server with MCP and status, and clients with certificates."""

    def __init__(self, authority: CertificateAuthorityForTests) -> None:
        self.authority = authority
        self.metrics = ServiceMetrics("galley")
        self.trace = HopRecorder("galley")
        self.distributor = Distributor(lambda: GRANTED, self.trace)
        self.board = StatusBoard()
        mcp = McpService(self.distributor, DistributionMetrics(self.metrics))
        self.taking = Taking(True)
        status = StatusService(self.board, reporting_accounts("cluster.local", "istio-system"), taking=self.taking)
        self.server = GrpcServer(
            "127.0.0.1",
            0,
            identity=authority.identity(PILOT.replace("pilot", "galley"), NAME),
            client_certificate="required",
            generic_handlers=(mcp, status),
            grace_seconds=0,
        )

    def channel(self, identity: str) -> grpc.aio.Channel:
        certificate = StaticIdentity(self.authority.certificate(identity)).current
        assert certificate is not None
        return open_channel(f"127.0.0.1:{self.server.bound_port}", NAME, certificate)


@pytest.fixture
async def wire(authority: CertificateAuthorityForTests) -> AsyncIterator[Wire]:
    wire = Wire(authority)
    await wire.server.start()
    yield wire
    await wire.server.stop()


def establish(channel: grpc.aio.Channel) -> Any:
    return channel.stream_stream(
        METHOD, request_serializer=RequestResources.SerializeToString, response_deserializer=Resources.FromString
    )()


async def answer(call: Any, request: Any) -> Any:
    """Write and read; a stream that was refused may say so at either."""
    await call.write(request)
    return await call.read()


def ask(collection: str, nonce: str = "", *, incremental: bool = False, error: str = "") -> RequestResources:
    request = RequestResources(collection=collection, response_nonce=nonce, incremental=incremental)
    if error:
        request.error_detail.message = error
        request.error_detail.code = 3
    return request


async def test_the_state_machine_of_a_stream(wire: Wire) -> None:
    wire.distributor.publish(snapshot(entry("a")))
    async with wire.channel(PILOT) as channel:
        call = establish(channel)
        await call.write(ask(WORKLOAD_ENTRIES))
        first = await call.read()
        assert (first.nonce, first.collection, first.incremental) == ("1", WORKLOAD_ENTRIES, False)
        assert [each.metadata.name for each in first.resources] == ["ns/a"]
        assert first.resources[0].metadata.version == entry("a").version

        await call.write(ask(WORKLOAD_ENTRIES, "77"))  # stale: ignored
        await call.write(ask(WORKLOAD_ENTRIES, "1"))
        wire.distributor.publish(snapshot(entry("a"), entry("b")))
        second = await call.read()
        assert (second.nonce, len(second.resources)) == ("2", 2)

        await call.write(ask(WORKLOAD_ENTRIES, "2", error="no"))
        await call.write(ask(GATEWAYS))
        third = await call.read()
        assert (third.nonce, third.collection, len(third.resources)) == ("3", GATEWAYS, 0)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    text = wire.metrics.render().decode()
    assert f'istio_mcp_request_acks_total{{collection="{WORKLOAD_ENTRIES}",component="galley"}} 1.0' in text
    assert f'istio_mcp_request_nacks_total{{code="3",collection="{WORKLOAD_ENTRIES}",component="galley"}} 1.0' in text
    assert f'istio_mcp_request_stale_nonces{{collection="{WORKLOAD_ENTRIES}",component="galley"}} 1.0' in text
    assert [hop["hop"] for hop in wire.trace.hops(name="a", version=entry("a").version)][:2] == [
        "galley.sent",
        "galley.acked",
    ]


async def test_an_incremental_stream_gets_differences(wire: Wire) -> None:
    wire.distributor.publish(snapshot(entry("a"), entry("b")))
    async with wire.channel(PILOT) as channel:
        call = establish(channel)
        request = ask(WORKLOAD_ENTRIES, incremental=True)
        request.initial_resource_versions["ns/a"] = entry("a").version
        request.initial_resource_versions["ns/gone"] = "v"
        await call.write(request)
        first = await call.read()
        assert first.incremental
        assert [each.metadata.name for each in first.resources] == ["ns/b"]
        assert list(first.removed_resources) == ["ns/gone"]


async def test_an_empty_nonce_begins_anew(wire: Wire) -> None:
    wire.distributor.publish(snapshot(entry("a")))
    async with wire.channel(PILOT) as channel:
        call = establish(channel)
        for nonce in ("1", "2"):
            await call.write(ask(WORKLOAD_ENTRIES))
            response = await call.read()
            assert (response.nonce, len(response.resources)) == (nonce, 1)


@pytest.mark.parametrize(
    ("identity", "collection", "code"),
    [
        (STRANGER, GATEWAYS, grpc.StatusCode.UNAUTHENTICATED),
        (PILOT, SIDECARS, grpc.StatusCode.PERMISSION_DENIED),
        (PILOT, "no/such/collection", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_streams_that_end_with_a_status(
    wire: Wire, identity: str, collection: str, code: grpc.StatusCode
) -> None:
    async with wire.channel(identity) as channel:
        call = establish(channel)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await answer(call, ask(collection))
    assert ended.value.code() is code
    assert ended.value.details()


async def test_a_client_without_certificate_gets_no_connection(wire: Wire) -> None:
    credentials = grpc.ssl_channel_credentials(wire.authority.root_pem.encode())
    options = (("grpc.ssl_target_name_override", NAME),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{wire.server.bound_port}", credentials, options) as channel:
        call = establish(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await answer(call, ask(GATEWAYS))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def report(*objects: ObjectStatus, reporter: str = "pilot/1", full: bool = False, sequence: int = 1) -> StatusReport:
    return StatusReport(reporter=reporter, objects=objects, full=full, sequence=sequence)


def status_of(name: str, **fields: Any) -> ObjectStatus:
    return ObjectStatus(collection=WORKLOAD_ENTRIES, namespace="ns", name=name, **fields)


async def test_status_over_the_wire(wire: Wire) -> None:
    async with wire.channel(PILOT) as channel:
        call = channel.stream_stream(
            STATUS, request_serializer=StatusReport.SerializeToString, response_deserializer=StatusAck.FromString
        )()
        await call.write(report(status_of("a", version="v", accepted=True, proxies_concerned=2), full=True, sequence=7))
        assert (await call.read()).sequence == 7
        found = wire.board.of(ObjectKey(WORKLOAD_ENTRIES, "ns", "a"))["pilot"]
        assert (found["accepted"], found["proxies_concerned"], found["version"]) == (True, 2, "v")
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert wire.board.reporters == [], "what a reporter said goes with its stream"


@pytest.mark.parametrize(
    ("identity", "reporter", "code"),
    [
        (STRANGER, "pilot/1", grpc.StatusCode.PERMISSION_DENIED),
        (PILOT, "mixer/1", grpc.StatusCode.INVALID_ARGUMENT),
        (PILOT, "", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_status_that_is_refused(wire: Wire, identity: str, reporter: str, code: grpc.StatusCode) -> None:
    async with wire.channel(identity) as channel:
        call = channel.stream_stream(
            STATUS, request_serializer=StatusReport.SerializeToString, response_deserializer=StatusAck.FromString
        )()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await answer(call, report(reporter=reporter))
        assert await call.code() is code, ended.value  # a write into an ended stream says INTERNAL, the stream why


async def test_only_who_leads_takes_reports(wire: Wire) -> None:
    async with wire.channel(PILOT) as channel:

        def reporting() -> Any:
            return channel.stream_stream(
                STATUS, request_serializer=StatusReport.SerializeToString, response_deserializer=StatusAck.FromString
            )()

        call = reporting()
        assert (await answer(call, report(status_of("a"), full=True))).sequence == 1
        wire.taking.set(False)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "another replica of Galley" in await call.details()
        assert wire.board.reporters == []
        assert await reporting().code() is grpc.StatusCode.UNAVAILABLE
        wire.taking.set(True)
        assert (await answer(reporting(), report(status_of("a"), full=True))).sequence == 1


# the board


def test_reports_change_full_reports_replace_replicas_add_up() -> None:
    board = StatusBoard()
    a, b = ObjectKey(WORKLOAD_ENTRIES, "ns", "a"), ObjectKey(WORKLOAD_ENTRIES, "ns", "b")
    board.receive(report(status_of("a", accepted=True, proxies_concerned=2), full=True), PILOT)
    board.receive(report(status_of("b", accepted=True)), PILOT)
    assert (set(board.of(a)), set(board.of(b))) == ({"pilot"}, {"pilot"})
    board.receive(report(status_of("a", accepted=False, proxies_concerned=3), reporter="pilot/2", full=True), PILOT)
    joined = board.of(a)["pilot"]
    assert (joined["proxies_concerned"], joined["accepted"]) == (5, False)
    board.receive(report(status_of("b", removed=True)), PILOT)
    assert board.of(b) == {}
    board.receive(report(full=True), PILOT)
    assert board.of(a)["pilot"]["proxies_concerned"] == 3
    board.forget("pilot/2")
    assert board.of(a) == {}


def test_a_report_without_a_reporter_is_refused() -> None:
    with pytest.raises(ReportRefused):
        StatusBoard().receive(report(reporter=""), PILOT)
