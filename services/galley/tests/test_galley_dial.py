"""Galley dials a sink."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from flotilla_galley.config import GalleySettings
from flotilla_galley.distribution.dial import METHOD, SinkDialer
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.mcp import TRIGGER
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.outgoing import sink_dialer
from flotilla_galley.testing.wire import ACCOUNT, EVERYTHING_TO_PILOT, ask, snapshot, workload
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.settings import SettingsError
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

UNIMPLEMENTED = 12


class Sink(grpc.GenericRpcHandler):
    """A sink that serves `ResourceSink`: refuses the trigger, as 1.4's does, then asks for one collection."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[Resources] = asyncio.Queue()
        self.metadata: list[dict[str, str]] = []
        self.leave = asyncio.Event()

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(
            self._serve, Resources.FromString, RequestResources.SerializeToString
        )

    async def _serve(self, _: Any, context: Any) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        trigger = await context.read()
        assert trigger.collection == TRIGGER
        refusal = ask(TRIGGER, error="no such collection")
        refusal.error_detail.code = UNIMPLEMENTED
        await context.write(refusal)
        await context.write(ask(WORKLOAD_ENTRIES, incremental=True))
        reading = asyncio.create_task(self._read(context))
        await self.leave.wait()
        self.leave.clear()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, context: Any) -> None:
        while (response := await context.read()) is not grpc.aio.EOF:
            await context.write(ask(response.collection, response.nonce, incremental=True))
            self.taken.put_nowait(response)


@pytest.fixture
async def sink() -> AsyncIterator[tuple[Sink, GrpcServer]]:
    sink = Sink()
    server = GrpcServer("127.0.0.1", 0, generic_handlers=(sink,), grace_seconds=0)
    await server.start()
    yield sink, server
    await server.stop()


async def test_a_sink_that_is_dialled_gets_what_it_asks_for(sink: tuple[Sink, GrpcServer]) -> None:
    served, server = sink
    metrics = ServiceMetrics("galley")
    distributor = Distributor(lambda: EVERYTHING_TO_PILOT)
    distributor.publish(snapshot(workload("a")))
    dialer = SinkDialer(
        "there",
        lambda: grpc.aio.insecure_channel(f"127.0.0.1:{server.bound_port}"),
        distributor,
        DistributionMetrics(metrics),
        metadata=[("mesh", "one")],
        backoff=Backoff(0.01, 0.01),
    )
    await dialer.start()
    try:
        first = await served.taken.get()
        assert (first.nonce, [each.metadata.name for each in first.resources]) == ("1", ["ns/a"])
        distributor.publish(snapshot(workload("a"), workload("b"), before=distributor.snapshot))
        assert [each.metadata.name for each in (await served.taken.get()).resources] == ["ns/b"]
        assert [each["caller"] for each in distributor.view()] == ["sink there"]
        served.leave.set()
        again = await served.taken.get()
        assert (again.nonce, len(again.resources)) == ("1", 2)
    finally:
        await dialer.stop()
    assert {each["mesh"] for each in served.metadata} == {"one"}
    assert 'istio_mcp_reconnections{component="galley"} 1.0' in metrics.render().decode()
    assert distributor.view() == []


async def test_as_the_settings_have_it(authority: CertificateAuthorityForTests) -> None:
    """With Galley's own certificate, to a sink that has one."""
    served = Sink()
    identity = authority.identity(ACCOUNT.format("mixer"), "sink.example")
    server = GrpcServer(
        "127.0.0.1", 0, identity=identity, client_certificate="required", generic_handlers=(served,), grace_seconds=0
    )
    await server.start()
    distributor = Distributor(lambda: EVERYTHING_TO_PILOT)
    distributor.publish(snapshot(workload("a")))
    settings = GalleySettings(sink_address=f"127.0.0.1:{server.bound_port}", sink_server_name="sink.example")
    own, metrics = authority.identity(ACCOUNT.format("galley")), DistributionMetrics(ServiceMetrics("galley"))
    dialer = sink_dialer(settings, own, distributor, metrics)
    await dialer.start()
    try:
        assert [each.metadata.name for each in (await served.taken.get()).resources] == ["ns/a"]
    finally:
        await dialer.stop()
        await server.stop()
    wrong = GalleySettings(sink_address="a:1", sink_metadata=("nothing",))
    with pytest.raises(SettingsError, match="must be key=value"):
        sink_dialer(wrong, own, distributor, metrics)
