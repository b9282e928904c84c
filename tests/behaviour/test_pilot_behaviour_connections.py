"""TCP and TLS routes as a client of its sidecar sees them: who is at the other end of a connection."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application, Echo
from tests.behaviour.certificates import certified, client_context, server_context
from tests.behaviour.connection import REFUSED, connected, page
from tests.behaviour.rows import destination_rule, virtual_service
from tests.behaviour.small_mesh import SmallMesh

pytestmark = pytest.mark.asyncio(loop_scope="module")


def service(name: str, port: str, protocol: str, *servers: str) -> str:
    """Its port has the number `$port`; its endpoints are the servers, each of the version of its name."""
    endpoints = ", ".join(
        f"{{address: 127.0.0.1, ports: {{main: ${each}}}, labels: {{version: {each}}}}}" for each in servers
    )
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  resolution: STATIC
  ports: [{{number: ${port}, name: main, protocol: {protocol}}}]
  endpoints: [{endpoints}]
"""


def to(host: str, subset: str, weight: int = 0) -> str:
    return f"{{destination: {{host: {host}.example.com, subset: {subset}}}, weight: {weight}}}"


SINGLE = "connectionPool: {tcp: {maxConnections: 1}}"
TCP_RULES = {
    "plain": "",
    "whole": f"- route: [{to('whole', 'v2')}]",
    "split": f"- route: [{to('split', 'v1', 30)}, {to('split', 'v2', 70)}]",
    "labels": f"- match: [{{sourceLabels: {{app: other}}}}]\n  route: [{to('labels', 'v1')}]\n"
    f"- match: [{{sourceLabels: {{app: caller}}, port: $labels}}]\n  route: [{to('labels', 'v2')}]",
    "elsewhere": f"- route: [{to('whole', 'v1')}]",
    "single": f"- route: [{to('single', 'v1')}]",
    "nobody": "",
}
OBJECTS = ""
for name, rule in TCP_RULES.items():
    OBJECTS += service(name, name, "TCP", *(["v1", "v2"] if name != "nobody" else []))
    OBJECTS += destination_rule(f"{name}.example.com", SINGLE if name == "single" else "")
    OBJECTS += virtual_service(f"{name}.example.com", rule, "tcp") if rule else ""
EGRESS = [
    f"{{port: {{number: ${name}, protocol: TCP, name: {name}}}, bind: 127.0.0.1, hosts: ['*/{name}.example.com']}}"
    for name in TCP_RULES
]
EGRESS += ["{port: {number: $tls, protocol: TLS, name: tls}, bind: 127.0.0.1, hosts: ['*/*']}"]
OBJECTS += service("a", "tls", "TLS", "a") + service("b", "tls", "TLS", "b") + service("c", "tls", "HTTPS", "b", "a")
OBJECTS += destination_rule("c.example.com", "", ("a", "b"))
OBJECTS += virtual_service(
    "c.example.com", f"- match: [{{sniHosts: [c.example.com]}}]\n  route: [{to('c', 'a')}]", "tls"
)
OBJECTS += f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: caller, namespace: default}}
spec: {{egress: [{", ".join(EGRESS)}]}}
"""


class World(NamedTuple):
    ports: Mapping[str, int]
    anybody: ssl.SSLContext


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, outside = tmp_path_factory.mktemp("tls"), CertificateAuthorityForTests("outside")
    async with AsyncExitStack() as held:
        secured = [Application(each, server_context(folder, certified(outside, each))) for each in ("a", "b")]
        servers = [await held.enter_async_context(each) for each in (Echo("v1"), Echo("v2"), *secured)]
        ports = {name: free_port() for name in (*TCP_RULES, "tls")}
        mesh.publish(OBJECTS, {**ports, **{each.name: each.port for each in servers}})
        await mesh.add("caller")
        await mesh.applied()
        yield World(ports, client_context(folder, outside))


async def server(world: World, name: str) -> str:
    async with connected(world.ports[name]) as talk:
        return (await talk.say("hello")).removesuffix(": hello")


@pytest.mark.parametrize(
    ("name", "servers"),
    [("whole", {"v2"}), ("labels", {"v2"}), ("elsewhere", {"v1"}), ("plain", {"v1", "v2"}), ("nobody", {""})],
)
async def test_who_takes_connections(world: World, name: str, servers: set[str]) -> None:
    assert {await server(world, name) for _ in range(40)} == servers


async def test_weights_of_connections_hold(world: World) -> None:
    """Within five standard deviations of 200 draws with a chance of 30 %."""
    found = Counter([await server(world, "split") for _ in range(200)])
    assert abs(found["v1"] - 60) < 5 * 6.5
    assert found["v1"] + found["v2"] == 200


async def test_one_connection_too_many_is_ended(world: World) -> None:
    async with connected(world.ports["single"]) as first:
        assert await first.say("hello") == "v1: hello"
        assert await server(world, "single") == ""
        assert await first.say("again") == "v1: again"


@pytest.mark.parametrize(
    ("sni", "sees"),
    [
        ("a.example.com", "200 a by a"),
        ("b.example.com", "200 b by b"),
        ("c.example.com", "200 a by a"),
        ("else.example.com", REFUSED),
    ],
)
async def test_tls_goes_by_the_name_that_is_asked_for(world: World, sni: str, sees: str) -> None:
    assert await page(world.ports["tls"], sni, world.anybody) == sees
