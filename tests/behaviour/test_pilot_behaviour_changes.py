"""While configuration changes under its calls, a client sees the new one soon, and never an error on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from flotilla_pilot.delivery.request import Dialect
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.connection import connected
from tests.behaviour.rows import destination_rule, http_proxy, services, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
Versions = tuple[Application, Application]
Publish = tuple[dict[Dialect, int], Callable[[str], None]]
"""The ports of two callers' proxies, by what they speak with Pilot, and what tells Pilot of a new configuration."""

HOST = "shop.example.com"
PORT = "{number: 80, name: http, protocol: HTTP}"
SERVED = services([HOST], PORT)


def route(turn: int, host: str = HOST, subset: str = '""') -> str:
    """Calls are marked with the turn that their route is of."""
    mark = f"headers: {{request: {{set: {{x-turn: turn-{turn}}}}}}}"
    return virtual_service(HOST, f"- {mark}\n  route: [{{destination: {{host: {host}, subset: {subset}}}}}]")


def new_subset(turn: int) -> str:
    """A subset that was not there before, the route to it, and no trace of the last."""
    name = f"turn-{turn}"
    rule = destination_rule(HOST, "").replace("name: v1,", f"name: {name},")
    return SERVED + rule + route(turn, subset=name)


def moved(turn: int) -> str:
    """All endpoints at one application, or at the other."""
    left, right = ("$v1", "$v2") if turn % 2 else ("$v2", "$v1")
    return SERVED.replace(left, right) + route(turn)


def new_service(turn: int) -> str:
    """The route leads to a service that was not there before."""
    host = f"turn-{turn}.example.com"
    return services([host], PORT) + SERVED + route(turn, host)


def balanced(turn: int) -> str:
    """The cluster is another one of the same name."""
    policy = ("ROUND_ROBIN", "RANDOM", "LEAST_REQUEST")[turn % 3]
    pool = f"connectionPool: {{tcp: {{maxConnections: {100 + turn}}}}}"
    return SERVED + destination_rule(HOST, f"loadBalancer: {{simple: {policy}}}, {pool}") + route(turn)


def patched(turn: int) -> str:
    """The listener has another filter."""
    return (
        SERVED
        + route(turn)
        + f"""
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: answer, namespace: default}}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener:
        filterChain:
          filter: {{name: envoy.filters.network.http_connection_manager, subFilter: {{name: envoy.filters.http.router}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.lua
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code: {{inline_string: 'function envoy_on_response(h) h:headers():add("x-turn", "{turn}") end'}}
"""
    )


CHANGES = [new_subset, moved, new_service, balanced, patched]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def publish(mesh: SmallMesh, versions: Versions) -> Publish:
    ports: dict[Dialect, int] = {"delta": free_port(), "sotw": free_port()}
    values = {"v1": versions[0].port, "v2": versions[1].port, **ports}
    sidecars = "".join(http_proxy(each).replace("$proxy", f"${each}") for each in ports)

    def publish(text: str) -> None:
        mesh.publish(text + sidecars, values)

    publish(SERVED)
    for dialect in ports:
        await mesh.add(dialect, dialect=dialect)
    return ports, publish


@asynccontextmanager
async def callers(port: int) -> AsyncIterator[Counter[int]]:
    """One that keeps its connection and one that makes one for each call; the statuses that they are answered."""
    found: Counter[int] = Counter()
    done = False

    async def stay() -> None:
        async with client(port) as http:
            while not done:
                found[(await http.get(f"http://{HOST}/")).status_code] += 1

    async def come_again() -> None:
        while not done:
            async with connected(port) as talk:
                found[(await talk.get(HOST))[0]] += 1

    async with asyncio.TaskGroup() as group:
        for call in (stay, come_again):
            group.create_task(call())
        yield found
        done = True


@pytest.mark.parametrize("dialect", ["delta", "sotw"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_no_call_is_lost(
    mesh: SmallMesh, publish: Publish, versions: Versions, dialect: Dialect, change: Callable[[int], str]
) -> None:
    ports, tell = publish
    tell(change(0))
    await mesh.applied()
    async with callers(ports[dialect]) as found:
        for turn in range(1, 9):
            tell(change(turn))
            await mesh.applied()
            while not any(each.headers["x-turn"] == f"turn-{turn}" for one in versions for each in one.requests):
                await mesh.applied()
    assert set(found) == {200}
