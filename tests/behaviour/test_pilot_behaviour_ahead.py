"""What stands before the talk itself: tunnels by CONNECT, the PROXY protocol, and the life of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import END, Application, Server
from tests.behaviour.connection import connected
from tests.behaviour.rows import destination_rule, http_proxy, services, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""What version 2 of the PROXY protocol starts with."""


class ForwardProxy(Server):
    """Takes CONNECT, and sends every line back behind the place that it was to lead to."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(END)).decode()
        method, place, _ = head.split(" ", 2)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while line := await reader.readline():
            writer.write(f"{method} {place}: ".encode() + line)


class Known(Server):
    """Sends every line back behind the version of the PROXY protocol and the caller's address that it was told."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await reader.readexactly(len(SIGNATURE))
        if start == SIGNATURE:
            length = int.from_bytes((await reader.readexactly(4))[2:])
            told = "v2 " + ".".join(map(str, (await reader.readexactly(length))[:4]))
        else:
            told = "v1 " + (start + await reader.readline()).decode().split(" ")[2]
        while line := await reader.readline():
            writer.write(f"{told}: ".encode() + line)


def service(name: str, server: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  resolution: STATIC
  ports: [{{number: ${name}, name: tcp, protocol: TCP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{tcp: ${server}}}}}]
"""


# The policy of each service, its server, and what comes back of a line
SERVICES = {
    "tunnelled": ("tunnel: {protocol: CONNECT, targetHost: far.example.com, targetPort: 443}", "forward", "CONNECT far.example.com:443"),
    "posted": ("tunnel: {targetHost: far.example.com, targetPort: 80}", "forward", "CONNECT far.example.com:80"),
    "first": ("proxyProtocol: {version: V1}", "known", "v1 127.0.0.9"),
    "second": ("proxyProtocol: {version: V2}", "known", "v2 127.0.0.9"),
}  # fmt: skip
EGRESS = [
    f"{{port: {{number: ${name}, protocol: TCP, name: {name}}}, bind: 127.0.0.1, hosts: ['*/{name}.example.com']}}"
    for name in SERVICES
]
OBJECTS = "".join(
    service(name, server) + destination_rule(f"{name}.example.com", policy)
    for name, (policy, server, _) in SERVICES.items()
)
for name in ("tunnelled", "posted"):
    OBJECTS += virtual_service(
        f"{name}.example.com", f"- route: [{{destination: {{host: {name}.example.com}}}}]", "tcp"
    )
LIFE = {
    "short": "connectionPool: {tcp: {maxConnectionDuration: 0.05s}}",
    "sticky": "loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 3600s, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}}}",
}
OBJECTS += services([f"{name}.example.com" for name in LIFE], "{number: 80, name: http, protocol: HTTP}")
OBJECTS += "".join(destination_rule(f"{name}.example.com", policy) for name, policy in LIFE.items())
OBJECTS += http_proxy().replace("egress: [", f"egress: [{', '.join(EGRESS)}, ")
Versions = tuple[Application, Application]
Ports = dict[str, int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(mesh: SmallMesh, versions: Versions) -> AsyncIterator[Ports]:
    found = {name: free_port() for name in (*SERVICES, "proxy")}
    async with ForwardProxy("forward") as forward, Known("known") as known:
        servers = {each.name: each.port for each in (forward, known, *versions)}
        mesh.publish(OBJECTS, {**found, **servers})
        await mesh.add("caller")
        await mesh.applied()
        yield found


@pytest.mark.parametrize("name", SERVICES)
async def test_what_a_server_is_told_first(ports: Ports, name: str) -> None:
    async with connected(ports[name], source="127.0.0.9") as talk:
        assert [await talk.say(word) for word in ("one", "two")] == [
            f"{SERVICES[name][2]}: {n}" for n in ("one", "two")
        ]


async def test_connections_live_no_longer_than_they_may(mesh: SmallMesh, ports: Ports, versions: Versions) -> None:
    counter = r"cluster\.outbound\|80\|\|short\.example\.com;?\.upstream_cx_max_duration_reached"
    async with client(ports["proxy"]) as http:
        await http.get("http://short.example.com/")
        while await mesh.envoys["caller"].statistic(counter) == 0:
            assert sum(each.connections for each in versions) == 1
        await http.get("http://short.example.com/")
    assert sum(each.connections for each in versions) == 2


async def test_a_cookie_has_the_attributes_that_are_stated(ports: Ports) -> None:
    async with client(ports["proxy"]) as http:
        answer = await http.get("http://sticky.example.com/")
    first, *attributes = answer.headers["set-cookie"].split("; ")
    assert first.startswith("user=")
    assert {"SameSite=Strict", "Secure", "Max-Age=3600"} <= set(attributes)
