"""Whatever is published, refused, answered late or lost: in the end everybody holds the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.mcp import McpStream
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.xds import XdsStream
from flotilla_galley.snapshot.snapshot import Snapshot, change_snapshot, make_snapshot
from flotilla_galley.testing.wire import EVERYTHING_TO_PILOT, PILOT, ask, workload
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_protos.istio.mcp.v1alpha1.resource_pb2 import Resource
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.metrics import ServiceMetrics

TYPE = "networking.istio.io/v1/WorkloadEntry"
METRICS = DistributionMetrics(ServiceMetrics("galley"))


class Client:
    """One that asks for differences, and after a loss says what it holds."""

    incremental = True

    def __init__(self, distributor: Distributor) -> None:
        self.held: dict[str, str] = {}
        self.distributor = distributor
        self.unanswered: Any = None
        self.connect()

    def connect(self) -> None:
        """Anew, whatever was before."""
        self.subscription = self.distributor.open(PILOT)
        self.stream: Any = McpStream(self.distributor, self.subscription, METRICS)
        request = ask(WORKLOAD_ENTRIES, incremental=self.incremental)
        if self.incremental:
            request.initial_resource_versions.update(self.held)
        self.stream.request(request)
        self.unanswered = None

    def lose(self) -> None:
        self.subscription.close()
        self.connect()

    async def read(self) -> bool:
        """Take a response if there is one; whether there was."""
        task = asyncio.create_task(self.stream.response())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return False
        assert self.unanswered is None, "one unanswered response at a time"
        self.unanswered = self.parse(task.result())
        return True

    def parse(self, content: bytes) -> Any:
        return Resources.FromString(content)

    def answer(self, *, refuse: bool = False) -> None:
        response, self.unanswered = self.unanswered, None
        if response is None:
            return
        if not refuse:
            self.hold(response)
        self.reply(response, refuse=refuse)

    def hold(self, response: Any) -> None:
        if not response.incremental:
            self.held.clear()
        self.held.update({each.metadata.name: each.metadata.version for each in response.resources})
        for name in response.removed_resources:
            del self.held[name]  # never told of what it does not hold

    def reply(self, response: Any, *, refuse: bool) -> None:
        error = "no" if refuse else ""
        self.stream.request(ask(WORKLOAD_ENTRIES, response.nonce, incremental=self.incremental, error=error))

    def stale(self) -> None:
        self.stream.request(ask(WORKLOAD_ENTRIES, "999999", incremental=self.incremental))


class WholeClient(Client):
    """One that asks for whole collections, as 1.4's do."""

    incremental = False


class XdsClient(Client):
    """An istiod."""

    incremental = False

    def connect(self) -> None:
        self.subscription = self.distributor.open(PILOT)
        self.stream = XdsStream(self.distributor, self.subscription, METRICS)
        self.stream.request(DiscoveryRequest(type_url=TYPE, response_nonce="2026-01-01 00:00:00"))
        self.unanswered = None

    def parse(self, content: bytes) -> Any:
        return DiscoveryResponse.FromString(content)

    def hold(self, response: Any) -> None:
        found = [Resource.FromString(each.value).metadata for each in response.resources]
        self.held = {each.name: each.version for each in found}

    def reply(self, response: Any, *, refuse: bool) -> None:
        request = DiscoveryRequest(type_url=TYPE, response_nonce=response.nonce, version_info=response.version_info)
        if refuse:
            request.error_detail.message = "no"
        self.stream.request(request)

    def stale(self) -> None:
        self.stream.request(DiscoveryRequest(type_url=TYPE, response_nonce="999999", version_info="x"))


CLIENTS: list[Callable[[Distributor], Client]] = [Client, WholeClient, XdsClient, Client]
names = st.sampled_from("abcdef")
changes = st.dictionaries(names, st.one_of(st.none(), st.integers(0, 3)), max_size=4)
steps = st.one_of(
    st.tuples(st.just("publish"), changes),
    st.tuples(st.sampled_from(["read", "ack", "nack", "stale", "lose"]), st.integers(0, len(CLIENTS) - 1)),
)


@given(st.lists(steps, max_size=60))
def test_in_the_end_everybody_holds_the_same(plan: list[tuple[str, Any]]) -> None:
    asyncio.run(_soak(plan))


async def _soak(plan: list[tuple[str, Any]]) -> None:
    distributor = Distributor(lambda: EVERYTHING_TO_PILOT)
    clients = [make(distributor) for make in CLIENTS]
    for action, what in plan:
        if action == "publish":
            _publish(distributor, what)
        elif action == "read":
            await clients[what].read() if clients[what].unanswered is None else None
        elif action in ("ack", "nack"):
            clients[what].answer(refuse=action == "nack")
        else:
            getattr(clients[what], action)()
    # A version that somebody refused is not sent again: so the last one is another.
    _publish(distributor, {"last": 1})
    assert distributor.snapshot is not None
    wanted = dict(distributor.snapshot.collections[WORKLOAD_ENTRIES].versions)
    for client in clients:
        client.answer()
        while await client.read():
            client.answer()
        assert client.held == wanted


def _publish(distributor: Distributor, what: dict[str, int | None]) -> None:
    """Change some objects, and prove that a changed snapshot is the one that would be made from nothing."""
    before = distributor.snapshot or Snapshot(make_snapshot([]).collections)
    found = {
        ObjectKey(WORKLOAD_ENTRIES, "ns", name): workload(name, f"1.1.1.{value}") if value is not None else None
        for name, value in what.items()
    }
    after = change_snapshot(before, found)
    anew = make_snapshot([item for each in after.collections.values() for item in each.items.values()])
    assert {name: each.version for name, each in after.collections.items()} == {
        name: each.version for name, each in anew.collections.items()
    }
    assert [list(each.items) for each in after.collections.values()] == [
        list(each.items) for each in anew.collections.values()
    ]
    distributor.publish(after)
