"""What callers speak, through two Envoys with the mesh's TLS between them: gRPC, HTTP/2, WebSocket, TCP, TLS."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

import grpc
import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application, Echo
from tests.behaviour.connection import connected
from tests.behaviour.grpc_application import SERVICE, GrpcApplication, channel, say
from tests.behaviour.rows import destination_rule, http_proxy, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLEE = "address: 127.0.0.1, labels: {security.istio.io/tlsMode: istio}, serviceAccount: callee"


def service(name: str, protocol: str, port: str, endpoint: str = CALLEE, number: str = "80") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: {number}, name: main, protocol: {protocol}}}]
  endpoints: [{{{endpoint}, ports: {{main: ${port}}}}}]
"""


def ingress(protocol: str, port: str, target: str) -> str:
    return f"  - {{port: {{number: ${port}, protocol: {protocol}, name: {port}}}, bind: 127.0.0.1, defaultEndpoint: 127.0.0.1:${target}}}\n"


DIRECT = "address: 127.0.0.1"
OBJECTS = "".join(
    (
        service("http", "HTTP", "http_in"),
        service("grpc", "GRPC", "grpc_in"),
        service("aborted", "GRPC", "grpc_in"),
        service("once", "GRPC", "grpc_in"),
        service("retried", "GRPC", "grpc_in"),
        service("http2", "HTTP2", "grpc", DIRECT),
        service("upgraded", "HTTP", "grpc", DIRECT),
        service("web", "GRPC-WEB", "grpc", DIRECT, number="$web"),
        service("lines", "TCP", "tcp_in", number="$tcp"),
        destination_rule("upgraded.example.com", "connectionPool: {http: {h2UpgradePolicy: UPGRADE}}"),
        virtual_service("aborted.example.com", "- fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}\n  route: [{destination: {host: grpc.example.com}}]"),
        virtual_service("once.example.com", "- retries: {attempts: 0}\n  route: [{destination: {host: grpc.example.com}}]"),
        virtual_service("retried.example.com", "- retries: {attempts: 3, retryOn: unavailable, backoff: 0.001s}\n  route: [{destination: {host: grpc.example.com}}]"),
        http_proxy().replace("egress: [", "egress: [{port: {number: $tcp, protocol: TCP, name: tcp}, bind: 127.0.0.1, hosts: ['*/lines.example.com']}, {port: {number: $web, protocol: GRPC-WEB, name: web}, bind: 127.0.0.1, hosts: ['*/web.example.com']}, "),
        """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: callee, namespace: default}
spec:
  workloadSelector: {labels: {app: callee}}
  egress: [{hosts: [./none.example.com]}]
  ingress:
""",
        ingress("HTTP", "http_in", "http"),
        ingress("GRPC", "grpc_in", "grpc"),
        ingress("TCP", "tcp_in", "echo"),
        """
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {app: gateway}
  servers:
  - {port: {number: $https, protocol: HTTPS, name: https}, bind: 127.0.0.1, hosts: [grpc.example.com], tls: {mode: SIMPLE, credentialName: edge}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec:
  gateways: [edge]
  hosts: [grpc.example.com]
  http: [{route: [{destination: {host: grpc.example.com}}]}]
""",
    )
)  # fmt: skip


class World(NamedTuple):
    proxy: int
    tcp: int
    web: int
    https: int
    shop: GrpcApplication
    outside: CertificateAuthorityForTests


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh) -> AsyncIterator[World]:
    outside = CertificateAuthorityForTests("outside")
    mesh.secrets.add_pair("kubernetes://edge", outside, "grpc.example.com")
    ports = {name: free_port() for name in ("proxy", "tcp", "web", "https", "http_in", "grpc_in", "tcp_in")}
    async with Application("http") as http, Echo("echo") as echo, GrpcApplication("shop") as shop:
        mesh.publish(OBJECTS, {**ports, "http": http.port, "echo": echo.port, "grpc": shop.port})
        for name, kind in (("callee", "sidecar"), ("caller", "sidecar"), ("gateway", "router")):
            await mesh.add(name, kind)
        await mesh.applied()
        for host in ("grpc", "http2", "upgraded"):  # connections that stay for all tests
            async with channel(ports["proxy"], f"{host}.example.com") as made:
                assert (await say(made, "hello"))[0] == "OK"
        async with channel(ports["web"], f"web.example.com:{ports['web']}") as made:
            assert (await say(made, "hello"))[0] == "OK"
        yield World(ports["proxy"], ports["tcp"], ports["web"], ports["https"], shop, outside)


TOLD = {"told": "by shop"}
FRAME = struct.pack(">BI", 0, 5) + b"hello"
"""A message of gRPC as it is on the wire."""


@pytest.mark.parametrize(
    ("host", "method", "failures", "sees", "calls"),
    [
        ("grpc", "Say", 0, ("OK", "hello", TOLD), 1),
        ("grpc", "Say", 1, ("OK", "hello", TOLD), 2),
        ("once", "Say", 1, ("UNAVAILABLE", "not yet", TOLD), 1),
        ("grpc", "Fail", 0, ("NOT_FOUND", "hello", TOLD), 1),
        ("retried", "Say", 3, ("OK", "hello", TOLD), 4),
        ("aborted", "Say", 0, ("RESOURCE_EXHAUSTED", "fault filter abort", {}), 0),
    ],
)
async def test_a_grpc_call(world: World, host: str, method: str, failures: int, sees: object, calls: int) -> None:
    """Its status, its words and its trailers come through, and so many calls came to the server.

    What is unavailable is tried again even where nobody asks for it.
    """
    world.shop.calls.clear()
    world.shop.failures = failures
    async with channel(world.proxy, f"{host}.example.com") as made:
        status, words, trailers = await say(made, "hello", method)
    told = {key: value for key, value in trailers.items() if key == "told"}
    assert ((status, words, told), len(world.shop.calls)) == (sees, calls)


async def test_a_grpc_stream_is_answered_word_by_word(world: World) -> None:
    async with channel(world.proxy, "grpc.example.com") as made:
        call = made.stream_stream(SERVICE + "Chat")(timeout=20)
        for word in (b"one", b"two"):
            await call.write(word)
            assert await call.read() == word
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_grpc_through_a_gateway_with_tls(world: World) -> None:
    credentials = grpc.ssl_channel_credentials(world.outside.root_pem.encode())
    async with channel(world.https, "grpc.example.com", credentials) as made:
        status, words, trailers = await say(made, "hello")
    assert (status, words, trailers["told"]) == ("OK", "hello", "by shop")


@pytest.mark.parametrize("host", ["http2", "upgraded"])
async def test_an_old_client_of_a_server_that_speaks_http2_only(world: World, host: str) -> None:
    headers = {"content-type": "application/grpc", "te": "trailers"}
    async with client(world.proxy) as http:
        answer = await http.post(f"http://{host}.example.com{SERVICE}Say", headers=headers, content=FRAME)
    assert (answer.status_code, answer.http_version, answer.content) == (200, "HTTP/1.1", FRAME)


async def test_grpc_of_a_browser(world: World) -> None:
    """The trailers are the last frame of the body, for a browser sees no others."""
    headers = {"host": "web.example.com", "content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    async with client() as http:
        answer = await http.post(f"http://127.0.0.1:{world.web}{SERVICE}Say", headers=headers, content=FRAME)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/grpc-web+proto")
    assert answer.content.startswith(FRAME + b"\x80")
    assert {b"grpc-status:0", b"told:by shop"} <= set(answer.content[len(FRAME) + 5 :].split(b"\r\n"))


async def test_a_web_socket(world: World) -> None:
    """Both sides speak as long as they like once the connection is upgraded."""
    async with connected(world.proxy) as talk:
        head = "GET /chat HTTP/1.1\r\nhost: http.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        talk.writer.write(head.encode())
        answer = (await talk.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert answer.startswith("http/1.1 101 ")
        assert "\r\nupgrade: websocket\r\n" in answer
        assert [await talk.say(word) for word in ("one", "two")] == ["one", "two"]


async def test_lines_over_tcp(world: World) -> None:
    async with connected(world.tcp) as talk:
        assert [await talk.say(word) for word in ("one", "two")] == ["echo: one", "echo: two"]


async def test_what_is_upgraded_to_something_else_is_refused(world: World) -> None:
    async with connected(world.proxy) as talk:
        assert (await talk.get("http.example.com", "connection: upgrade", "upgrade: unheard-of"))[0] == 403
