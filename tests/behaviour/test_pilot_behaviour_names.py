"""Which names a client reaches: ServiceEntries of every resolution, and what is in no registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.rows import http_proxy
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
Versions = tuple[Application, Application]


def service_entry(hosts: str, resolution: str, rest: str, namespace: str = "default") -> str:
    name = hosts.replace("*", "any").partition(",")[0]
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{hosts}]
  resolution: {resolution}
  {rest}
"""


PORT = "ports: [{number: 80, name: http, protocol: HTTP}]"
TO_V1 = "endpoints: [{address: 127.0.0.1, ports: {http: $v1}}]"
OWN = "ports: [{number: $v1, name: http, protocol: HTTP}]"
OBJECTS = "".join(
    (
        service_entry("static.example.com", "STATIC", f"{PORT}\n  {TO_V1}"),
        service_entry('"*.any.example.com"', "STATIC", f"{PORT}\n  {TO_V1}"),
        service_entry("target.example.com", "STATIC", "ports: [{number: 80, name: http, protocol: HTTP, targetPort: $v1}]\n  endpoints: [{address: 127.0.0.1}]"),
        service_entry("socket.example.com", "STATIC", f"{PORT}\n  endpoints: [{{address: 'unix://$socket'}}]"),
        service_entry("dns.example.com", "DNS", f"{PORT}\n  endpoints: [{{address: localhost, ports: {{http: $v1}}}}]"),
        service_entry("own.localhost", "DNS", OWN),
        service_entry("turn.example.com", "DNS_ROUND_ROBIN", f"{PORT}\n  endpoints: [{{address: localhost, ports: {{http: $v1}}}}]"),
        service_entry("none.localhost", "NONE", OWN),
        service_entry('"*.none.localhost"', "NONE", OWN),
        service_entry('"*.dynamic.localhost"', "DYNAMIC_DNS", OWN),
        service_entry("workload.example.com", "STATIC", f"{PORT}\n  workloadSelector: {{labels: {{app: chosen}}}}"),
        service_entry("inside.example.com", "STATIC", f"{PORT}\n  {TO_V1}\n  exportTo: [.]", "other"),
        service_entry("shown.example.com", "STATIC", f"{PORT}\n  {TO_V1}", "other"),
        service_entry("reviews.default.svc.cluster.local", "STATIC", f"addresses: [10.9.0.1]\n  {PORT}\n  {TO_V1}"),
        service_entry("reviews.other.svc.cluster.local", "STATIC", f"{PORT}\n  {TO_V1.replace('$v1', '$v2')}", "other"),
        service_entry("nobody.example.com", "STATIC", PORT),
        """
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: chosen, namespace: default}
spec: {address: 127.0.0.1, ports: {http: $v1}, labels: {app: chosen}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: not-chosen, namespace: default}
spec: {address: 127.0.0.1, ports: {http: $v2}, labels: {app: not-chosen}}
""",
        http_proxy("caller", more="  outboundTrafficPolicy: {mode: ALLOW_ANY}"),
        service_entry("egress.example.com", "STATIC", f"{PORT}\n  {TO_V1.replace('$v1', '$v2')}"),
        http_proxy("guided", more="  outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: egress.example.com, port: {number: 80}}}").replace("$proxy", "$guided"),
        http_proxy("locked", more="  outboundTrafficPolicy: {mode: REGISTRY_ONLY}").replace("$proxy", "$locked"),
    )
)  # fmt: skip


class Ways(NamedTuple):
    """The proxies of three callers: one may call anybody, one only who is registered, one others by an egress."""

    caller: int
    locked: int
    guided: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(mesh: SmallMesh, versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ways]:
    found, socket = Ways(free_port(), free_port(), free_port()), tmp_path_factory.mktemp("v1") / "http"
    ports = {"v1": versions[0].port, "v2": versions[1].port, "proxy": found.caller, "locked": found.locked}
    ports["guided"] = found.guided
    mesh.publish(OBJECTS, {**ports, "socket": socket})
    await mesh.add("caller")
    await mesh.add("locked")
    await mesh.add("guided")
    await mesh.applied()
    async with await asyncio.start_unix_server(versions[0].hold, socket):
        yield found


async def answer(way: int, name: str) -> tuple[int, str]:
    async with client(way) as http:
        found = await http.get(f"http://{name}/")
    return found.status_code, found.json()["name"] if found.status_code == 200 else ""


REGISTERED = [
    "static.example.com",
    "one.any.example.com",
    "target.example.com",
    "socket.example.com",
    "dns.example.com",
    "own.localhost:{v1}",
    "turn.example.com",
    "none.localhost:{v1}",
    "one.none.localhost:{v1}",
    "one.dynamic.localhost:{v1}",
    "workload.example.com",
    "shown.example.com",
    "reviews",
    "reviews:80",
    "reviews.default",
    "reviews.default.svc:80",
    "reviews.default.svc.cluster.local",
    "10.9.0.1",
    "10.9.0.1:80",
]


@pytest.mark.parametrize("name", REGISTERED)
async def test_registered_names_are_reached(ways: Ways, versions: Versions, name: str) -> None:
    asked = name.format(v1=versions[0].port)
    assert [await answer(way, asked) for way in ways] == [(200, "v1")] * 3


async def test_names_of_another_namespace_say_so(ways: Ways) -> None:
    names = ("reviews.other", "reviews.other.svc.cluster.local")
    assert [await answer(ways.locked, name) for name in names] == [(200, "v2")] * 2


async def test_names_of_nobody_are_resolved_if_that_is_allowed(ways: Ways, versions: Versions) -> None:
    asked = f"stranger.localhost:{versions[1].port}"
    assert [await answer(way, asked) for way in ways] == [(200, "v2"), (502, ""), (200, "v2")]
    assert await answer(ways.guided, "nowhere.invalid") == (200, "v2")


async def test_a_service_of_another_namespace_that_keeps_it_is_nobody(ways: Ways) -> None:
    assert await answer(ways.locked, "inside.example.com") == (502, "")


async def test_a_service_without_endpoints_is_unavailable(ways: Ways) -> None:
    assert await answer(ways.locked, "nobody.example.com") == (503, "")
