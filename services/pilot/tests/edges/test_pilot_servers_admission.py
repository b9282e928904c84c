"""Who may be which proxy."""

import asyncio

import grpc
import pytest
from envoy.config.core.v3.base_pb2 import Node

from flotilla_pilot.delivery.connection import StreamEnded
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.servers.admission import admit
from flotilla_pilot.testing.discovery import AdsClient, StreamLost
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_shared.runtime.serving import Peer

OWN = "spiffe://cluster.local/ns/default/sa/web"


def test_the_owner_of_the_certificate_is_admitted() -> None:
    proxy = admit(workload(), Peer("127.0.2.1:5", b"", OWN), "cluster.local")
    assert (proxy.name, proxy.namespace, proxy.service_account) == ("web-v1", "default", "web")


@pytest.mark.parametrize(
    ("node", "identity", "code", "words"),
    [
        (None, OWN, "INVALID_ARGUMENT", ["must name its node"]),
        (Node(), OWN, "INVALID_ARGUMENT", ["must name its node"]),
        (Node(id="web"), OWN, "INVALID_ARGUMENT", ["type~ip~name.namespace~domain"]),
        (workload(), None, "UNAUTHENTICATED", ["without a client certificate"]),
        (workload(), "https://web", "UNAUTHENTICATED", ["https://web"]),
        (workload(account="db"), OWN, "PERMISSION_DENIED", ["'db'", OWN]),
        (workload(account=""), OWN, "PERMISSION_DENIED", ["''", OWN]),
        (workload(), "spiffe://cluster.local/ns/other/sa/web", "PERMISSION_DENIED", ["'default'", "ns/other"]),
        (workload(), "spiffe://elsewhere/ns/default/sa/web", "PERMISSION_DENIED", ["'cluster.local'", "elsewhere"]),
    ],
)
def test_others_are_refused_with_both_names(
    node: Node | None, identity: str | None, code: str, words: list[str]
) -> None:
    with pytest.raises(StreamEnded) as refused:
        admit(node, Peer("127.0.2.1:5", b"" if identity else None, identity), "cluster.local")
    assert refused.value.code.name == code
    assert all(word in refused.value.text for word in words), refused.value.text


async def refusal(client: AdsClient) -> StreamLost:
    async with client:
        await client.subscribe("cds")
        return await client.lost()


async def test_a_certificate_of_another_account(edge: Edge, dialect: Dialect) -> None:
    lost = await refusal(edge.client(dialect, workload(account="web"), account="db"))
    assert lost.code is grpc.StatusCode.PERMISSION_DENIED
    assert "'web'" in lost.text
    assert "ns/default/sa/db" in lost.text
    assert len(edge.delivery.connections) == 0


class TestDuplicates:
    async def test_the_same_node_twice(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as first:
            await first.subscribe("cds")
            await first.taken()
            answering = asyncio.create_task(first.taken())  # as Envoy answers the probe
            lost = await refusal(edge.client(dialect))
            assert lost.code is grpc.StatusCode.ALREADY_EXISTS
            assert f"proxy {workload().id!r} is connected already, from 127.0.0.1:" in lost.text
            await answering
            assert len(edge.delivery.connections) == 1

    async def test_another_sidecar_on_the_same_address(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as first:
            await first.subscribe("cds")
            await first.taken()
            answering = asyncio.create_task(first.taken())
            lost = await refusal(edge.client(dialect, workload("copy")))
            assert lost.code is grpc.StatusCode.ALREADY_EXISTS
            assert "has the address 127.0.1.1, 127.0.2.1" in lost.text
            assert workload().id in lost.text
            await answering

    async def test_two_gateways_may_share_an_address(self, edge: Edge) -> None:
        one, two = workload("one", kind="router"), workload("two", kind="router")
        async with edge.client("delta", one) as first, edge.client("delta", two) as second:
            for each in (first, second):
                await each.subscribe("cds")
                await each.taken()

    async def test_a_holder_that_no_longer_answers_is_replaced(self, hasty_edge: Edge, dialect: Dialect) -> None:
        """Its connection is half-dead: nothing says so but its silence."""
        async with hasty_edge.client(dialect) as silent, hasty_edge.client(dialect) as back:
            await silent.subscribe("cds")
            await silent.taken()
            await hasty_edge.answered()
            (old,) = hasty_edge.delivery.connections
            await back.subscribe("cds")
            assert (await back.next()).type == "cds"
            assert (await silent.lost()).code is grpc.StatusCode.ABORTED
            assert [each.name for each in hasty_edge.delivery.connections] != [old.name]

    async def test_a_holder_that_leaves_makes_room(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect) as first:
            await first.subscribe("cds")
            await first.taken()
            async with edge.client(dialect) as second:
                await second.subscribe("cds")
                await first.finish()
                assert (await second.next()).type == "cds"


class TestApplications:
    """gRPC libraries open a stream for every channel of their application."""

    @staticmethod
    def application(name: str = "web-v1") -> Node:
        node = workload(name)
        node.metadata.update({"GENERATOR": "grpc"})
        return node

    async def test_one_has_a_stream_a_channel(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect, self.application()) as one, edge.client(dialect, self.application()) as two:
            for each in (one, two):
                await each.subscribe("cds")
                await each.taken()
            assert len(edge.delivery.connections) == 2

    async def test_an_envoy_does_not_share_its_address_with_one(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect, self.application()) as one:
            await one.subscribe("cds")
            await one.taken()
            answering = asyncio.create_task(one.taken())
            lost = await refusal(edge.client(dialect, workload("envoy")))
            assert lost.code is grpc.StatusCode.ALREADY_EXISTS
            await answering

    async def test_the_streams_that_stay_keep_the_address(self, edge: Edge, dialect: Dialect) -> None:
        async with edge.client(dialect, self.application()) as stays:
            await stays.subscribe("cds")
            await stays.taken()
            async with edge.client(dialect, self.application()) as goes:
                await goes.subscribe("cds")
                await goes.taken()
                await goes.finish()
            while len(edge.delivery.connections) > 1:
                edge.delivery.changed.clear()
                await edge.delivery.changed.wait()
            answering = asyncio.create_task(stays.taken())
            lost = await refusal(edge.client(dialect, workload("copy")))
            assert lost.code is grpc.StatusCode.ALREADY_EXISTS
            await answering

    async def test_a_leak_of_streams_is_refused(
        self, edge: Edge, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flotilla_pilot.delivery.connections.MOST_CHANNELS", 1)
        async with edge.client(dialect, self.application()) as one:
            await one.subscribe("cds")
            await one.taken()
            lost = await refusal(edge.client(dialect, self.application()))
            assert lost.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "close channels" in lost.text
