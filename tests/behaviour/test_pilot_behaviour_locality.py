"""Near endpoints before far ones, and shares of localities: whom a caller in near/a reaches, and whom when that one fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from flotilla_pilot.testing.running_envoy import RunningEnvoy
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.rows import destination_rule, http_proxy
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("anew")]
Versions = tuple[Application, Application]

HERE = {"topology.istio.io/locality": "near.a.1"}
EJECTING = "outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 600s, maxEjectionPercent: 100}"


class Host(NamedTuple):
    """Where its endpoints v1 and v2 are, its policy, and who is to be called at first. `annotation` is its entry's."""

    places: tuple[str, str]
    policy: str
    called: set[str]
    annotation: str = ""


def local(setting: str, also: str = EJECTING) -> str:
    return ", ".join(
        each for each in (f"loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {{{setting}}}}}", also) if each
    )


BOTH = {"v1", "v2"}
HOSTS = {
    "zone": Host(("near/b", "near/a"), EJECTING, {"v2"}),
    "region": Host(("near/b", "far/a"), EJECTING, {"v1"}),
    "next-region": Host(("far/a", "other/a"), local("failover: [{from: near, to: other}]"), {"v2"}),
    "by-label": Host(("near/a", "far/a"), local('failoverPriority: ["version=v2"]'), {"v2"}),
    "by-own-label": Host(("far/a", "near/a"), local("failoverPriority: [topology.kubernetes.io/region]"), {"v2"}),
    "unwatched": Host(("near/a", "far/a"), "loadBalancer: {simple: ROUND_ROBIN}", BOTH),
    "switched-off": Host(("near/a", "far/a"), local("enabled: false"), BOTH),
    "close": Host(("far/a", "near/a"), "", {"v2"}, "networking.istio.io/traffic-distribution: PreferClose"),
}
SHARES = {
    "shared": (("near/a", "far/a"), "{near/*: 80, far/*: 20}", 0.8),
    "only-far": (("near/a", "far/a"), "{far/*: 100}", 0.0),
}


def entry(name: str, places: tuple[str, str], annotation: str = "") -> str:
    ends = zip(("v1", "v2"), places, strict=True)
    rows = [f"{{address: 127.0.0.1, ports: {{http: ${v}}}, labels: {{version: {v}}}, locality: {p}}}" for v, p in ends]
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default, annotations: {{{annotation}}}}}
spec:
  hosts: [{name}.example.com]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{", ".join(rows)}]
"""


OBJECTS = http_proxy()
for name, host in HOSTS.items():
    OBJECTS += entry(name, host.places, host.annotation) + destination_rule(f"{name}.example.com", host.policy)
for name, (places, to, _) in SHARES.items():
    policy = local(f'distribute: [{{from: "near/*", to: {to}}}]', also="")
    OBJECTS += entry(name, places) + destination_rule(f"{name}.example.com", policy)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(mesh: SmallMesh, versions: Versions) -> tuple[RunningEnvoy, int]:
    port = free_port()
    mesh.publish(OBJECTS, {"v1": versions[0].port, "v2": versions[1].port, "proxy": port})
    envoy = await mesh.add("caller", labels=HERE)
    await mesh.applied()
    return envoy, port


@pytest_asyncio.fixture(loop_scope="module")
async def http(caller: tuple[RunningEnvoy, int]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(caller[1]) as made:
        yield made


async def called(http: httpx.AsyncClient, host: str, times: int) -> Counter[str]:
    answers = [await http.get(f"http://{host}.example.com/") for _ in range(times)]
    return Counter(each.json()["name"] for each in answers)


@pytest.mark.parametrize("host", HOSTS)
async def test_who_is_called(http: httpx.AsyncClient, host: str) -> None:
    assert set(await called(http, host, 20)) == HOSTS[host].called


@pytest.mark.parametrize(
    "host", [name for name, each in HOSTS.items() if EJECTING in each.policy and each.called != BOTH]
)
async def test_who_is_called_when_that_one_fails(
    caller: tuple[RunningEnvoy, int], http: httpx.AsyncClient, versions: Versions, host: str
) -> None:
    """An error, and it is out: the others take over, wherever they are."""
    first, second = versions if HOSTS[host].called == {"v1"} else reversed(versions)
    first.statuses.extend([500] * 50)
    gauge = rf"cluster\.outbound\|80\|\|{host}\.example\.com;?\.outlier_detection\.ejections_active"
    while await caller[0].statistic(gauge) == 0:
        await called(http, host, 1)
        assert len(first.requests) < 20
    assert set(await called(http, host, 20)) == {second.name}


@pytest.mark.parametrize("host", SHARES)
async def test_shares_of_localities(http: httpx.AsyncClient, host: str) -> None:
    """Envoy takes localities in turn by weight, so that few calls are enough to tell."""
    found = await called(http, host, 100)
    assert abs(found["v1"] - 100 * SHARES[host][2]) <= 1
