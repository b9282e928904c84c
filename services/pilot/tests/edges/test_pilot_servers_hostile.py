"""Whatever a peer sends first: it gets a status of its own fault, and the others are served as before."""

from __future__ import annotations

import grpc
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_pilot.delivery.request import Dialect, RequestRefused, parse_request
from flotilla_pilot.testing.discovery import SERVER_NAME, StreamLost, delta_request, sotw_request
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_shared.runtime.tls import KEEPALIVE

METHODS = ("StreamAggregatedResources", "DeltaAggregatedResources")
SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
GOOD = {"sotw": sotw_request("cds", node=workload()), "delta": delta_request("cds", (), node=workload())}
# Their own fault, or a node that the certificate is not of.
FAULTS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED}


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """A good request with some bytes replaced, left out or put in; or no request at all."""
    place = st.integers(0, len(good))
    edit = st.tuples(place, place, st.binary(max_size=12)).map(
        lambda cut: good[: min(cut[:2])] + cut[2] + good[max(cut[:2]) :]
    )
    return st.binary(max_size=200) | edit


def examples(good: bytes, count: int) -> list[bytes]:
    found: list[bytes] = []

    @settings(max_examples=count)
    @given(damaged(good))
    def collect(message: bytes) -> None:
        found.append(message)

    collect()
    return found


@given(st.sampled_from(["sotw", "delta"]), st.data())
def test_any_bytes_are_a_request_or_refused(dialect: Dialect, data: st.DataObject) -> None:
    message = data.draw(damaged(GOOD[dialect]))
    kind = DiscoveryRequest if dialect == "sotw" else DeltaDiscoveryRequest
    try:
        request = parse_request(dialect, message)
    except RequestRefused:
        with pytest.raises(DecodeError):
            kind.FromString(message)
    else:
        assert request.type_url == kind.FromString(message).type_url


async def test_any_first_message_of_a_workload_harms_nobody(edge: Edge, dialect: Dialect) -> None:
    for message in examples(GOOD[dialect], 60):
        async with edge.client(dialect) as client:
            try:
                await client.send(message)
                await client.finish()
            except StreamLost as lost:
                assert lost.code in FAULTS, (message, lost)  # noqa: PT017
    async with edge.client(dialect) as client:
        await client.subscribe("cds")
        assert sorted((await client.next()).resources.values()) == ["a1", "b1"]
    assert edge.metric("pilot_total_xds_internal_errors") == ["pilot_total_xds_internal_errors 0.0"]


async def test_a_proxy_that_asks_and_leaves_at_once_is_let_go(edge: Edge, dialect: Dialect) -> None:
    """Its stream ends though the answer is being written: no status can follow a message that was broken off."""
    for _ in range(20):
        async with edge.client(dialect) as client:
            await client.subscribe("cds")
            await client.finish()
    assert list(edge.delivery.connections) == []


@pytest.mark.parametrize("method", METHODS)
async def test_nothing_is_read_from_a_stranger(edge: Edge, method: str) -> None:
    """Without a certificate the stream ends before anything is sent on it."""
    credentials = grpc.ssl_channel_credentials(edge.authority.root_pem.encode())
    options = [("grpc.ssl_target_name_override", SERVER_NAME), *KEEPALIVE]
    async with grpc.aio.secure_channel(f"127.0.0.1:{edge.server.bound_port}", credentials, options) as channel:
        call = channel.stream_stream(f"{SERVICE}/{method}")()
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "without a client certificate" in (await call.details() or "")
    assert edge.metric('pilot_xds_refused_streams{code="UNAUTHENTICATED"}')[0].endswith(" 1.0")
