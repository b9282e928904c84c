"""Which host of which Gateway takes a request, and what its VirtualServices make of it, without TLS."""

from __future__ import annotations

import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.connection import connected
from tests.behaviour.rows import Row, http_proxy, seen, services
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
Versions = tuple[Application, Application]


def gateway(name: str, hosts: str, namespace: str = "default", port: str = "$http") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: gateway}}
  servers:
  - {{port: {{number: {port}, protocol: HTTP, name: http}}, bind: 127.0.0.1, hosts: [{hosts}]}}
"""


def routes(name: str, gateways: str, hosts: str, rules: str, namespace: str = "default") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  gateways: [{gateways}]
  hosts: [{hosts}]
  http: [{rules}]
"""


def to(version: str) -> str:
    return f"route: [{{destination: {{host: {version}.example.com}}}}]"


V1, V2 = to("v1"), to("v2")
OBJECTS = "".join(
    (
        services(["v1.example.com"], "{number: 80, name: http, protocol: HTTP}").replace("$v2", "$v1"),
        services(["v2.example.com"], "{number: 80, name: http, protocol: HTTP}").replace("$v1", "$v2"),
        http_proxy(),
        gateway("edge", '"*.example.com"'),
        gateway("second", "second.example.org"),
        gateway("own", '"./own.example.net", "other/theirs.example.net"'),
        gateway("any", '"*"', port="$any"),
        routes("shop", "edge", "shop.example.com", f"{{match: [{{uri: {{prefix: /v2}}}}], {V2}}}, {{{V1}}}"),
        routes("shop-more", "edge", "shop.example.com", f"{{match: [{{uri: {{prefix: /more}}}}], rewrite: {{uri: /}}, {V2}}}"),
        routes("wild", "edge", '"*.wild.example.com"', f"{{{V1}}}"),
        routes("narrow", "edge", "narrow.wild.example.com", f"{{{V2}}}"),
        routes("second", "second", '"*"', f"{{{V2}}}"),
        routes("both", "edge, mesh", "both.example.com", f"{{match: [{{gateways: [default/edge]}}], {V1}}}, {{match: [{{gateways: [mesh]}}], {V2}}}"),
        routes("mesh", "mesh", "inside.example.com", f"{{{V1}}}"),
        routes("outside", "edge", "outside.example.org", f"{{{V1}}}"),
        routes("own", "default/own", "own.example.net, theirs.example.net", f"{{{V1}}}"),
        routes("theirs", "default/own", "own.example.net, theirs.example.net", f"{{{to('v2')}}}", "other"),
        routes("any", "any", '"*"', f"{{match: [{{port: $any, headers: {{x-user: {{exact: a}}}}}}], {V2}}}, {{match: [{{port: $http}}], {V2}}}, {{{V1}}}"),
        routes("turned", "edge", "turned.example.com", "{redirect: {uri: /b, port: 8080}}"),
        routes("derived", "edge", "derived.example.com", "{redirect: {uri: /b, derivePort: FROM_REQUEST_PORT}}"),
    )
)  # fmt: skip


# (host, the port that is asked, a call, what comes of it, headers)
ROWS = [
    Row("shop.example.com", "http", "GET /", {"name": "v1"}),
    Row("shop.example.com:{http}", "http", "GET /", {"name": "v1"}),
    Row("SHOP.example.com", "http", "GET /", {"name": "v1"}),
    Row("shop.example.com", "http", "GET /v2/x", {"name": "v2", "target": "/v2/x"}),
    Row("shop.example.com", "http", "GET /more", {"name": "v2", "target": "/"}),
    Row("a.wild.example.com", "http", "GET /", {"name": "v1"}),
    Row("a.b.wild.example.com", "http", "GET /", {"name": "v1"}),
    Row("narrow.wild.example.com", "http", "GET /", {"name": "v2"}),
    Row("wild.example.com", "http", "GET /", {"status": 404}),
    Row("second.example.org", "http", "GET /", {"name": "v2"}),
    Row("both.example.com", "http", "GET /", {"name": "v1"}),
    Row("inside.example.com", "http", "GET /", {"status": 404}),
    Row("outside.example.org", "http", "GET /", {"status": 404}),
    Row("own.example.net", "http", "GET /", {"name": "v1"}),
    Row("theirs.example.net", "http", "GET /", {"name": "v2"}),
    Row("whatever.example", "any", "GET /", {"name": "v1"}),
    Row("whatever.example", "any", "GET /", {"name": "v2"}, {"x-user": "a"}),
    Row("turned.example.com", "http", "GET /", {"status": 301, "location:": "http://turned.example.com:8080/b"}),
    Row("derived.example.com:{http}", "http", "GET /", {"status": 301, "location:": "http://derived.example.com:{http}/b"}),
    Row("shop.example.com", "http", "GET /", {"sent x-forwarded-proto": "http", "sent x-forwarded-client-cert": None}, {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/default/sa/member"}),
    Row("both.example.com", "proxy", "GET /", {"name": "v2"}),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(mesh: SmallMesh, versions: Versions) -> dict[str, int]:
    found = {name: free_port() for name in ("http", "any", "proxy")}
    mesh.publish(OBJECTS, {**found, "v1": versions[0].port, "v2": versions[1].port})
    await mesh.add("gateway", "router")
    await mesh.add("caller")
    await mesh.applied()
    return found


async def test_what_a_client_of_a_gateway_sees(ports: dict[str, int]) -> None:
    found, wanted = [], []
    async with client() as http:
        for host, port, call, sees, headers in ROWS:
            method, target = call.split(" ")
            place = f"http://127.0.0.1:{ports[port]}{target}"
            answer = await http.request(method, place, headers={"host": host.format(**ports), **headers})
            found.append((host, target, seen(answer, sees)))
            wanted.append((host, target, {k: v.format(**ports) if isinstance(v, str) else v for k, v in sees.items()}))
    assert found == wanted


async def test_a_web_socket_through_a_gateway(ports: dict[str, int]) -> None:
    async with connected(ports["http"]) as talk:
        head = "GET / HTTP/1.1\r\nhost: shop.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        talk.writer.write(head.encode())
        assert (await talk.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await talk.say("one") == "one"
