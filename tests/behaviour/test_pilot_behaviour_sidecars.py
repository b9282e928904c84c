"""What Sidecars let in and out, and what EnvoyFilters change, as callers and applications see it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.certificates import client_context
from tests.behaviour.connection import REFUSED, page
from tests.behaviour.rows import http_proxy
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
Versions = tuple[Application, Application]


def service(host: str, port: str, namespace: str = "default") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}, namespace: {namespace}}}
spec:
  hosts: [{host}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: ${port}}}}}]
"""


def patch(name: str, app: str, apply_to: str, context: str, match: str, operation: str, value: str = "{}") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: {app}}}}}
  configPatches:
  - applyTo: {apply_to}
    match: {{context: {context}, {match}}}
    patch:
      operation: {operation}
      value: {value}
"""


def lua(code: str) -> str:
    """An HTTP filter."""
    return f"""
        name: envoy.filters.http.lua
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code: {{inline_string: '{code}'}}"""


BEFORE_ROUTER = "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}"
OUT, IN = "SIDECAR_OUTBOUND", "SIDECAR_INBOUND"
MARKED = "request_headers_to_add: [{header: {key: x-route, value: patched}}]"
OBJECTS = "".join(
    (
        *(service(name, "in_tcp") for name in ("in", "patched", "removed")),
        service("socket", "in_socket"),
        service("remote", "v2", "remote"),
        service("hidden", "v2", "hidden"),
        http_proxy("caller", '"./*", "remote/*"', "  outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
        """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: callee, namespace: default}
spec:
  workloadSelector: {labels: {app: callee}}
  inboundConnectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}
  ingress:
  - {port: {number: $in_tcp, protocol: HTTP, name: tcp}, bind: 127.0.0.1, defaultEndpoint: "127.0.0.1:$v1"}
  - {port: {number: $in_socket, protocol: HTTP, name: socket}, bind: 127.0.0.1, defaultEndpoint: "unix://$socket"}
  - port: {number: $in_tls, protocol: HTTPS, name: tls}
    bind: 127.0.0.1
    defaultEndpoint: "127.0.0.1:$v1"
    tls: {mode: SIMPLE, serverCertificate: /etc/in.pem, privateKey: /etc/in-key.pem}
  egress: [{hosts: [./none.example.com]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: callee, namespace: default}
spec: {selector: {matchLabels: {app: callee}}, portLevelMtls: {$in_tls: {mode: DISABLE}}}
""",
        patch("answer", "caller", "HTTP_FILTER", OUT, BEFORE_ROUTER, "INSERT_BEFORE", lua('function envoy_on_response(h) h:headers():add("x-lua", "answered") end')),
        patch("ask", "callee", "HTTP_FILTER", IN, BEFORE_ROUTER, "INSERT_BEFORE", lua('function envoy_on_request(h) h:headers():add("x-lua", h:headers():get(":path")) end')),
        patch("other", "other", "HTTP_FILTER", OUT, BEFORE_ROUTER, "INSERT_BEFORE", lua('function envoy_on_request(h) h:respond({[":status"] = "500"}, "") end')),
        patch("route", "caller", "VIRTUAL_HOST", OUT, "routeConfiguration: {vhost: {name: 'patched.example.com:80'}}", "MERGE", f"{{{MARKED}}}"),
        patch("gone", "caller", "CLUSTER", OUT, "cluster: {service: removed.example.com}", "REMOVE"),
    )
)  # fmt: skip


class World(NamedTuple):
    proxy: int
    tcp: int
    """The callee's way in, without the caller's proxy."""
    tls: int
    """A way into the callee for clients that are not of the mesh."""
    anybody: ssl.SSLContext


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh, versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, outside = tmp_path_factory.mktemp("v2"), CertificateAuthorityForTests("outside")
    mesh.secrets.add_pair("file-cert:/etc/in.pem~/etc/in-key.pem", outside)
    socket, ports = folder / "http", {name: free_port() for name in ("proxy", "in_tcp", "in_socket", "in_tls")}
    mesh.publish(OBJECTS, {**ports, "v1": versions[0].port, "v2": versions[1].port, "socket": socket})
    await mesh.add("callee")
    await mesh.add("caller")
    await mesh.applied()
    async with await asyncio.start_unix_server(versions[1].hold, socket):
        yield World(ports["proxy"], ports["in_tcp"], ports["in_tls"], client_context(folder, outside))


@pytest_asyncio.fixture(loop_scope="module")
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client(world.proxy) as made:
        yield made


@pytest.mark.parametrize(
    ("host", "sees"), [("in", "v1"), ("socket", "v2"), ("remote", "v2"), ("hidden", 502), ("removed", 503)]
)
async def test_who_answers(http: httpx.AsyncClient, host: str, sees: str | int) -> None:
    answer = await http.get(f"http://{host}.example.com/")
    assert (answer.json()["name"] if answer.status_code == 200 else answer.status_code) == sees


async def test_a_way_in_with_a_certificate_of_its_own(world: World) -> None:
    assert await page(world.tls, "any.example.com", world.anybody) == "200 v1 by in-key.pem"
    assert await page(world.tls, "any.example.com") == REFUSED


async def test_what_the_pool_of_a_way_in_does_not_hold_is_refused(
    mesh: SmallMesh, world: World, versions: Versions
) -> None:
    """The application has one connection, on which one request is answered and one waits."""
    place, gauge = f"http://127.0.0.1:{world.tcp}/", rf"cluster\.inbound\|{world.tcp}\|\|;?\.upstream_rq_pending_active"
    versions[0].gate.clear()
    async with client() as http:
        calls = [asyncio.create_task(http.get(place))]
        await versions[0].came.wait()
        calls.append(asyncio.create_task(http.get(place)))
        while await mesh.envoys["callee"].statistic(gauge) == 0:
            assert not any(each.done() for each in calls)
        refused = await http.get(place)
        versions[0].gate.set()
        assert [(await each).status_code for each in calls] == [200, 200]
    assert (refused.status_code, refused.headers.get("x-envoy-overloaded")) == (503, "true")


async def test_filters_in_lua_on_both_sides(http: httpx.AsyncClient) -> None:
    answer = await http.get("http://in.example.com/path")
    assert (answer.status_code, answer.headers["x-lua"]) == (200, "answered")
    assert answer.json()["headers"]["x-lua"] == "/path"


@pytest.mark.parametrize(("host", "header"), [("patched", "patched"), ("in", None)])
async def test_a_patch_of_one_virtual_host(http: httpx.AsyncClient, host: str, header: str | None) -> None:
    answer = await http.get(f"http://{host}.example.com/")
    assert answer.json()["headers"].get("x-route") == header
