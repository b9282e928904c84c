"""Retries, timeouts, faults, mirrors, outliers, circuit breakers: what the client gets, and what the servers were asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from flotilla_pilot.testing.running_envoy import RunningEnvoy
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.connection import connected
from tests.behaviour.rows import destination_rule, http_proxy, services, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
Versions = tuple[Application, Application]

RULES = {
    "retried": "retries: {attempts: 3, retryOn: 5xx, backoff: 0.001s}",
    "by-default": "",
    "never-again": "retries: {attempts: 0}",
    "by-code": 'retries: {attempts: 1, retryOn: "418", backoff: 0.001s}',
    "gateway-error": "retries: {attempts: 2, retryOn: gateway-error, backoff: 0.001s}",
    "reset": "retries: {attempts: 2, retryOn: reset, backoff: 0.001s}",
    "client-error": "retries: {attempts: 2, retryOn: retriable-4xx, backoff: 0.001s}",
    "each-try": "retries: {attempts: 2, perTryTimeout: 0.1s, retryOn: 5xx, backoff: 0.001s}",
    "slow": "timeout: 0.2s",
    "delayed": "fault: {delay: {fixedDelay: 60s, percentage: {value: 100}}}",
    "half-aborted": "fault: {abort: {httpStatus: 555, percentage: {value: 50}}}",
    "mirrored": "mirror: {host: mirrored.example.com, subset: v2}",
    "mirrored-twice": """mirrors:
  - {destination: {host: mirrored-twice.example.com, subset: v2}}
  - {destination: {host: mirrored-twice.example.com, subset: v2}, percentage: {value: 0}}
  - {destination: {host: mirrored-twice.example.com, subset: v2}, percentage: {value: 100}}""",
    "full": "",
}
POLICIES = {
    "full": "connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}",
    "ejected": "outlierDetection: {consecutive5xxErrors: 2, baseEjectionTime: 60s, maxEjectionPercent: 100}",
    "gateway-ejected": "outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, baseEjectionTime: 60s, maxEjectionPercent: 100}",
    "code-ejected": "outlierDetection: {consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429], baseEjectionTime: 60s, maxEjectionPercent: 100}",
    "idle": "connectionPool: {http: {idleTimeout: 0.05s}}",
    "one-each": "connectionPool: {http: {maxRequestsPerConnection: 1}}",
}
HOSTS = [f"{name}.example.com" for name in {**RULES, **POLICIES}]
OBJECTS = services(HOSTS, "{number: 80, name: http, protocol: HTTP}") + http_proxy()
OBJECTS += "".join(destination_rule(host, POLICIES.get(host.partition(".")[0], "")) for host in HOSTS)
for name, rule in RULES.items():
    route = f"- route: [{{destination: {{host: {name}.example.com, subset: v1}}}}]\n  {rule}"
    OBJECTS += virtual_service(f"{name}.example.com", route)
for name, attempts in (("lame", 6), ("lame-once", 0)):
    host = f"{name}.example.com"
    OBJECTS += services([host], "{number: 80, name: http, protocol: HTTP}").replace("$v2", "$dead")
    retries = f"retries: {{attempts: {attempts}, retryOn: connect-failure, backoff: 0.001s}}"
    OBJECTS += virtual_service(host, f"- route: [{{destination: {{host: {host}}}}}]\n  {retries}")
LOCAL = "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, baseEjectionTime: 60s, maxEjectionPercent: 100"
OBJECTS += services(["unheard.example.com"], "{number: 80, name: http, protocol: HTTP}").replace("$v2", "$dead")
OBJECTS += destination_rule("unheard.example.com", f"outlierDetection: {{{LOCAL}}}")
OBJECTS += virtual_service(
    "unheard.example.com", "- route: [{destination: {host: unheard.example.com}}]\n  retries: {attempts: 0}"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(mesh: SmallMesh, versions: Versions) -> tuple[RunningEnvoy, int]:
    port = free_port()
    mesh.publish(OBJECTS, {"v1": versions[0].port, "v2": versions[1].port, "proxy": port, "dead": free_port()})
    envoy = await mesh.add("caller")
    await mesh.applied()
    return envoy, port


@pytest_asyncio.fixture(loop_scope="module")
async def http(caller: tuple[RunningEnvoy, int]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(caller[1]) as made:
        yield made


# (host, statuses of the server in turn, what the client gets, how often the server was asked)
TRIES = [
    ("retried", [500, 503], 200, 3),
    ("retried", [500] * 9, 500, 4),
    ("by-default", [500], 500, 1),
    ("never-again", [500], 500, 1),
    ("by-code", [418], 200, 2),
    ("by-code", [418, 418], 418, 2),
    ("by-code", [500], 500, 1),
    ("by-code", [0], 503, 1),
    ("gateway-error", [502, 503], 200, 3),
    ("gateway-error", [504] * 9, 504, 3),
    ("gateway-error", [500], 500, 1),
    ("reset", [0, 0], 200, 3),
    ("reset", [503], 503, 1),
    ("client-error", [409], 200, 2),
    ("client-error", [404], 404, 1),
]


@pytest.mark.parametrize(("host", "statuses", "status", "asked"), TRIES)
async def test_retries(
    http: httpx.AsyncClient, versions: Versions, host: str, statuses: list[int], status: int, asked: int
) -> None:
    versions[0].statuses.extend(statuses)
    answer = await http.get(f"http://{host}.example.com/")
    assert (answer.status_code, len(versions[0].requests)) == (status, asked)


@pytest.mark.parametrize(("host", "statuses"), [("lame", {200}), ("lame-once", {200, 503})])
async def test_an_endpoint_that_nobody_listens_on(http: httpx.AsyncClient, host: str, statuses: set[int]) -> None:
    found = [(await http.get(f"http://{host}.example.com/")).status_code for _ in range(40)]
    assert set(found) == statuses


@pytest.mark.parametrize(("host", "asked"), [("slow", 1), ("each-try", 3)])
async def test_timeouts(http: httpx.AsyncClient, versions: Versions, host: str, asked: int) -> None:
    versions[0].gate.clear()
    answer = await http.get(f"http://{host}.example.com/")
    assert (answer.status_code, await versions[0].asked(asked)) == (504, asked)


async def test_a_delay_keeps_the_request_from_the_server(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient, versions: Versions
) -> None:
    counter = r"http\.outbound_127\.0\.0\.1_\d+;?\.fault\.delays_injected"
    call = asyncio.create_task(http.get("http://delayed.example.com/"))
    while await caller[0].statistic(counter) == 0:
        assert not call.done()
    assert versions[0].requests == []
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_half_of_the_requests_are_aborted(caller: tuple[RunningEnvoy, int]) -> None:
    """Within five standard deviations of 200 throws of a coin."""
    async with connected(caller[1]) as talk:
        found = Counter([await talk.get("half-aborted.example.com") for _ in range(200)])
    assert set(found) == {(200, "v1"), (555, "")}
    assert abs(found[555, ""] - 100) < 5 * 7.1


@pytest.mark.parametrize(("host", "copies"), [("mirrored", 1), ("mirrored-twice", 2)])
async def test_mirrored_requests_arrive(http: httpx.AsyncClient, versions: Versions, host: str, copies: int) -> None:
    answer = await http.post(f"http://{host}.example.com/a?b", content="words")
    assert answer.json()["name"] == "v1"
    assert await versions[1].asked(copies) == copies
    found = {(each.method, each.target, each.body, each.headers["host"]) for each in versions[1].requests}
    assert found == {("POST", "/a?b", "words", f"{host}.example.com")}


@pytest.mark.parametrize(("host", "error"), [("ejected", 500), ("gateway-ejected", 502), ("code-ejected", 429)])
async def test_an_outlier_is_ejected(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient, versions: Versions, host: str, error: int
) -> None:
    versions[0].statuses.extend([error] * 50)
    gauge = rf"cluster\.outbound\|80\|\|{host}\.example\.com;?\.outlier_detection\.ejections_active"
    while await caller[0].statistic(gauge) == 0:
        await http.get(f"http://{host}.example.com/")
        assert len(versions[0].requests) < 20
    found = [await http.get(f"http://{host}.example.com/") for _ in range(20)]
    assert {(each.status_code, each.json()["name"]) for each in found} == {(200, "v2")}


async def test_an_endpoint_that_nobody_listens_on_is_ejected(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient
) -> None:
    gauge = r"cluster\.outbound\|80\|\|unheard\.example\.com;?\.outlier_detection\.ejections_active"
    while await caller[0].statistic(gauge) == 0:
        await http.get("http://unheard.example.com/")
    assert {(await http.get("http://unheard.example.com/")).status_code for _ in range(20)} == {200}


async def test_a_connection_without_requests_is_ended(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient, versions: Versions
) -> None:
    counter = r"cluster\.outbound\|80\|\|idle\.example\.com;?\.upstream_cx_idle_timeout"
    await http.get("http://idle.example.com/")
    while await caller[0].statistic(counter) == 0:
        assert sum(each.connections for each in versions) == 1
    await http.get("http://idle.example.com/")
    assert sum(each.connections for each in versions) == 2


async def test_what_the_pool_does_not_hold_is_refused_at_once(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient, versions: Versions
) -> None:
    """One connection, one request that waits for it; the third is one too many."""
    versions[0].gate.clear()
    first = asyncio.create_task(http.get("http://full.example.com/"))
    await versions[0].came.wait()
    second = asyncio.create_task(http.get("http://full.example.com/"))
    gauge = r"cluster\.outbound\|80\|v1\|full\.example\.com;?\.upstream_rq_pending_active"
    while await caller[0].statistic(gauge) == 0:
        assert not second.done()
    third = await http.get("http://full.example.com/")
    assert (third.status_code, third.headers.get("x-envoy-overloaded")) == (503, "true")
    assert third.text.endswith("reset reason: overflow")
    versions[0].gate.set()
    assert [(await each).status_code for each in (first, second)] == [200, 200]
    assert len(versions[0].requests) == 2


async def test_a_connection_for_each_request(http: httpx.AsyncClient, versions: Versions) -> None:
    for _ in range(6):
        await http.get("http://one-each.example.com/")
    assert sum(each.connections for each in versions) == 6
