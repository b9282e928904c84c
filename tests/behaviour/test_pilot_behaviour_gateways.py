"""Gateways as clients from outside see them: every mode of TLS with real certificates, hosts, ports, redirects."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application, Echo
from tests.behaviour.certificates import certified, client_context, server_context
from tests.behaviour.connection import REFUSED, connected, page
from tests.behaviour.gateway_objects import gateway, routes, server, service
from tests.behaviour.small_mesh import SmallMesh

pytestmark = pytest.mark.asyncio(loop_scope="module")


CREDENTIAL = "credentialName: shop"
EDGE = gateway(
    "edge",
    server("http", "HTTP", "shop.example.com"),
    server("http", "HTTP", "moved.example.com", "httpsRedirect: true"),
    server("https", "HTTPS", "shop.example.com", f"mode: SIMPLE, {CREDENTIAL}"),
    server("https", "HTTPS", "*.any.example.com", "mode: SIMPLE, credentialName: any"),
    server("https", "HTTPS", "mutual.example.com", f"mode: MUTUAL, {CREDENTIAL}"),
    server("https", "HTTPS", "known.example.com", f"mode: MUTUAL, {CREDENTIAL}, subjectAltNames: [friend.example.com]"),
    server("https", "HTTPS", "optional.example.com", f"mode: OPTIONAL_MUTUAL, {CREDENTIAL}"),
    server("https", "HTTPS", "mesh.example.com", "mode: ISTIO_MUTUAL"),
    server("https", "HTTPS", "new.example.com", f"mode: SIMPLE, {CREDENTIAL}, minProtocolVersion: TLSV1_3"),
    server("https", "TLS", "through.example.com", "mode: PASSTHROUGH"),
    server("https", "TLS", "ended.example.com", f"mode: SIMPLE, {CREDENTIAL}"),
    server("tcp", "TCP", "*"),
    server("auto", "TLS", "*.example.com", "mode: AUTO_PASSTHROUGH"),
)
OBJECTS = "".join(
    (
        EDGE,
        gateway("later", server("https", "HTTPS", "later.example.com", "mode: SIMPLE, credentialName: later")),
        gateway("inner", server("inner", "HTTP", "shop.example.com"), app="inner"),
        service("v1", 80, "HTTP", "v1"),
        service("v2", 80, "HTTP", "v2"),
        service("secure", 443, "TLS", "secure"),
        service("inside", 443, "TLS", "secure", "istio"),
        service("echo", 9000, "TCP", "echo"),
        routes("shop", "edge, later", '"*.example.com"', "http: [{route: [{destination: {host: v1.example.com}}]}]"),
        routes("inner", "inner", "shop.example.com", "http: [{route: [{destination: {host: v2.example.com}}]}]"),
        routes("tcp", "edge", '"*"', "tcp: [{match: [{port: $tcp}], route: [{destination: {host: echo.example.com}}]}]"),
        routes("ended", "edge", "ended.example.com", "tcp: [{match: [{port: $https}], route: [{destination: {host: echo.example.com}}]}]"),
        routes("through", "edge", "through.example.com", "tls: [{match: [{sniHosts: [through.example.com]}], route: [{destination: {host: secure.example.com}}]}]"),
    )
)  # fmt: skip
PORTS = ("http", "https", "tcp", "auto", "inner")


class World(NamedTuple):
    """The ports of the gateways, and clients by who they are."""

    ports: Mapping[str, int]
    clients: Mapping[str, ssl.SSLContext]


def clients(mesh: SmallMesh, outside: CertificateAuthorityForTests, folder: Path) -> Mapping[str, ssl.SSLContext]:
    friend, stranger = (
        certified(outside, "friend", "friend.example.com"),
        certified(outside, "stranger", "stranger.example.com"),
    )
    false = certified(CertificateAuthorityForTests("others"), "false", "friend.example.com")
    member = mesh.edge.authority.certificate("spiffe://cluster.local/ns/default/sa/member")
    inside = mesh.edge.authority
    found = {
        "anybody": client_context(folder, outside),
        "old": client_context(folder, outside),
        "friend": client_context(folder, outside, friend),
        "stranger": client_context(folder, outside, stranger),
        "false": client_context(folder, outside, false),
        "member": client_context(folder, inside, member),
        "guest": client_context(folder, inside),
        "sidecar": client_context(folder, outside, member),
    }
    found["old"].maximum_version = ssl.TLSVersion.TLSv1_2
    found["sidecar"].set_alpn_protocols(["istio"])
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, outside = tmp_path_factory.mktemp("tls"), CertificateAuthorityForTests("outside")
    for name in ("shop", "later", "any"):
        mesh.secrets.add_pair(f"kubernetes://{name}", outside)
    mesh.secrets.add_authority("kubernetes://shop-cacert", outside)
    secured = server_context(folder, certified(outside, "secure"))
    async with (
        Application("v1") as v1,
        Application("v2") as v2,
        Application("secure", secured) as secure,
        Echo("echo") as echo,
    ):
        servers = {each.name: each.port for each in (v1, v2, secure, echo)}
        ports = {name: free_port() for name in PORTS}
        mesh.publish(OBJECTS, {**servers, **ports})
        await mesh.add("gateway", "router")
        await mesh.add("inner", "router")
        await mesh.applied()
        yield World(ports, clients(mesh, outside, folder))


# (server's port, host, who asks, what they get)
PAGES = [
    ("http", "shop.example.com", "", "200 v1"),
    ("http", "moved.example.com", "", "301 https://moved.example.com/"),
    ("http", "else.example.com", "", "404"),
    ("inner", "shop.example.com", "", "200 v2"),
    ("https", "shop.example.com", "anybody", "200 v1 by shop"),
    ("https", "shop.example.com", "", REFUSED),
    ("https", "else.example.com", "anybody", REFUSED),
    ("https", "a.any.example.com", "anybody", "200 v1 by any"),
    ("https", "later.example.com", "anybody", "200 v1 by later"),
    ("https", "mutual.example.com", "anybody", REFUSED),
    ("https", "mutual.example.com", "stranger", "200 v1 by shop"),
    ("https", "mutual.example.com", "false", REFUSED),
    ("https", "known.example.com", "friend", "200 v1 by shop"),
    ("https", "known.example.com", "stranger", REFUSED),
    ("https", "optional.example.com", "anybody", "200 v1 by shop"),
    ("https", "optional.example.com", "friend", "200 v1 by shop"),
    ("https", "optional.example.com", "false", REFUSED),
    ("https", "mesh.example.com", "member", "200 v1 by gateway"),
    ("https", "mesh.example.com", "guest", REFUSED),
    ("https", "new.example.com", "anybody", "200 v1 by shop"),
    ("https", "new.example.com", "old", REFUSED),
    ("https", "shop.example.com", "old", "200 v1 by shop"),
    ("https", "through.example.com", "anybody", "200 secure by secure"),
]


async def test_pages_of_gateways(world: World) -> None:
    found = [
        (port, host, who, await page(world.ports[port], host, world.clients.get(who))) for port, host, who, _ in PAGES
    ]
    assert found == PAGES


@pytest.mark.parametrize(("port", "host", "server"), [("tcp", "", ""), ("https", "ended.example.com", "shop")])
async def test_lines_to_a_tcp_service(world: World, port: str, host: str, server: str) -> None:
    tls = world.clients["anybody"] if host else None
    async with connected(world.ports[port], tls, host) as talk:
        assert (talk.server, await talk.say("hello")) == (server, "echo: hello")


@pytest.mark.parametrize(
    ("who", "sni", "sees"),
    [  # only what takes the mesh's TLS is there for other networks
        ("sidecar", "outbound_.443_._.inside.example.com", "200 secure by secure"),
        ("sidecar", "outbound_.443_._.nobody.example.com", REFUSED),
        ("sidecar", "outbound_.443_._.secure.example.com", REFUSED),
        ("anybody", "outbound_.443_._.inside.example.com", REFUSED),
        ("sidecar", "inside.example.com", REFUSED),
    ],
)
async def test_sidecars_pass_by_the_name_of_a_cluster(world: World, who: str, sni: str, sees: str) -> None:
    assert await page(world.ports["auto"], "secure.example.com", world.clients[who], sni) == sees
