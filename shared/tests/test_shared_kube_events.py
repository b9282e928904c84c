"""Events: written once, counted up after that, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.events import QUEUE, EventWriter, Regarding
from flotilla_shared.runtime.kube.resources import EVENTS
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

ROUTE = Regarding("networking.istio.io/v1", "VirtualService", "reviews", "default", "u-1")
WEBHOOK = Regarding("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "istio-galley")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(EVENTS) as found:
        yield found


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[KubeClient]:
    client = server.client()
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def writer(client: KubeClient) -> AsyncIterator[EventWriter]:
    writer = EventWriter(client, "istio-galley", "galley-0")
    await writer.start()
    yield writer
    await writer.stop()


async def asked(server: ApiServer, number: int) -> None:
    await asyncio.wait_for(server.until(lambda: len(server.asked) >= number), 20)


async def test_an_event(server: ApiServer, writer: EventWriter) -> None:
    writer.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    await asked(server, 1)
    (event,) = server.store.kind("events").values()
    assert event["involvedObject"] == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "name": "reviews",
        "namespace": "default",
        "uid": "u-1",
    }
    assert event["metadata"]["namespace"] == "default"
    assert event["metadata"]["name"].startswith("reviews.")
    assert (event["reason"], event["message"], event["type"]) == ("Refused", "the weight is wrong", "Warning")
    assert event["source"] == {"component": "istio-galley", "host": "galley-0"}
    assert event["count"] == 1


async def test_the_same_again_is_counted(server: ApiServer, writer: EventWriter) -> None:
    for _ in range(3):
        writer.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    writer.write(ROUTE, "Refused", "another", "Warning")
    await asked(server, 4)
    assert [each.verb for each in server.asked] == ["create", "patch", "patch", "create"]
    assert sorted(event["count"] for event in server.store.kind("events").values()) == [1, 3]


async def test_of_a_cluster_scoped_object(server: ApiServer, writer: EventWriter) -> None:
    writer.write(WEBHOOK, "Patched", "caBundle patched")
    await asked(server, 1)
    (event,) = server.store.kind("events").values()
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_another_replica_wrote_it(server: ApiServer, client: KubeClient, writer: EventWriter) -> None:
    writer.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    await asked(server, 1)
    other = EventWriter(client, "istio-galley", "galley-1")
    await other.start()
    other.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    await asked(server, 3)
    await other.stop()
    assert [each.verb for each in server.asked] == ["create", "create", "patch"]


async def test_one_that_has_expired_is_made_anew(server: ApiServer, writer: EventWriter) -> None:
    writer.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    await asked(server, 1)
    server.store.kind("events").clear()
    writer.write(ROUTE, "Refused", "the weight is wrong", "Warning")
    await asked(server, 3)
    assert [each.verb for each in server.asked] == ["create", "patch", "create"]


async def test_what_cannot_be_written_is_lost_and_counted(server: ApiServer, writer: EventWriter) -> None:
    server.fail(Fault("create", 403, "Forbidden"))
    writer.write(ROUTE, "Refused", "one", "Warning")
    writer.write(ROUTE, "Refused", "two", "Warning")
    await asked(server, 2)
    assert (writer.lost, len(server.store.kind("events"))) == (1, 1)


async def test_too_many_are_lost(client: KubeClient) -> None:
    writer = EventWriter(client, "istio-galley")
    for number in range(QUEUE + 3):
        writer.write(ROUTE, "Refused", str(number))
    assert writer.lost == 3
