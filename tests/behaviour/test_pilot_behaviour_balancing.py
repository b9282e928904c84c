"""Which of a service's endpoints a request goes to: weights, subsets, hashes."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.connection import connected
from tests.behaviour.rows import destination_rule, http_proxy, services, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")

HASHED = {
    "by-header": "httpHeaderName: x-user",
    "by-query": "httpQueryParameterName: user",
    "by-source": "useSourceIp: true",
    "by-cookie": "httpCookie: {name: user, ttl: 0s}",
    "by-new-cookie": "httpCookie: {name: user, path: /, ttl: 3600s}",
    "by-maglev": "httpHeaderName: x-user, maglev: {tableSize: 1009}",
    "by-ring": "httpHeaderName: x-user, ringHash: {minimumRingSize: 2048}",
}
POLICIES = {
    **{name: f"loadBalancer: {{consistentHash: {{{by}}}}}" for name, by in HASHED.items()},
    "least": "loadBalancer: {simple: LEAST_REQUEST}",
    "by-chance": "loadBalancer: {simple: RANDOM}",
    "in-turn": "loadBalancer: {simple: ROUND_ROBIN}",
    "quarter": "",
    "all": "",
    "subset": "",
}
ROUTES = {
    "quarter": [("v1", 25), ("v2", 75)],
    "all": [("v1", 0), ("v2", 100)],
    "subset": [("v1", 100)],
}
OBJECTS = services([f"{name}.example.com" for name in POLICIES], "{number: 80, name: http, protocol: HTTP}")
OBJECTS += "".join(destination_rule(f"{name}.example.com", policy) for name, policy in POLICIES.items())
for name, weights in ROUTES.items():
    targets = [f"{{destination: {{host: {name}.example.com, subset: {each}}}, weight: {n}}}" for each, n in weights]
    OBJECTS += virtual_service(f"{name}.example.com", f"- route: [{', '.join(targets)}]")
OBJECTS += services(["subset-policy.example.com"], "{number: 80, name: http, protocol: HTTP}")
OBJECTS += """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: subset-policy, namespace: default}
spec:
  host: subset-policy.example.com
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - name: sticky
    trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}
"""
OBJECTS += virtual_service(
    "subset-policy.example.com",
    """
- match: [{uri: {exact: /sticky}}]
  route: [{destination: {host: subset-policy.example.com, subset: sticky}}]
- route: [{destination: {host: subset-policy.example.com}}]
""",
)
OBJECTS += http_proxy()
USERS = [f"user-{number}" for number in range(24)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(mesh: SmallMesh, versions: tuple[Application, Application]) -> int:
    port = free_port()
    mesh.publish(OBJECTS, {"v1": versions[0].port, "v2": versions[1].port, "proxy": port})
    await mesh.add("caller")
    await mesh.applied()
    return port


async def name_of(http: httpx.AsyncClient, host: str, target: str = "/", **headers: str) -> str:
    answer = await http.get(f"http://{host}.example.com{target}", headers=headers)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["name"]
    return name


async def test_weights_hold(proxy: int) -> None:
    """Within five standard deviations of 400 draws with a chance of a quarter."""
    async with connected(proxy) as talk:
        found = Counter([await talk.get("quarter.example.com") for _ in range(400)])
    assert abs(found[200, "v1"] - 100) < 5 * 8.7
    assert found[200, "v1"] + found[200, "v2"] == 400


@pytest.mark.parametrize(("host", "names"), [("all", {"v2"}), ("subset", {"v1"}), ("in-turn", {"v1", "v2"})])
async def test_who_is_asked_at_all(proxy: int, host: str, names: set[str]) -> None:
    async with client(proxy) as http:
        found = [await name_of(http, host) for _ in range(20)]
    assert set(found) == names
    assert all(found.count(name) == 20 / len(names) for name in names)


async def stuck(http: httpx.AsyncClient, host: str, versions: tuple[Application, Application]) -> int:
    """How many of 120 calls go to the one of two endpoints that answers none of them."""
    versions[0].gate.clear()
    calls = []
    for _ in range(120):
        versions[0].came.clear()
        calls.append(asyncio.create_task(name_of(http, host)))
        came = asyncio.create_task(versions[0].came.wait())
        await asyncio.wait((calls[-1], came), return_when=asyncio.FIRST_COMPLETED)
        came.cancel()
    versions[0].gate.set()
    return (await asyncio.gather(*calls)).count("v1")


async def test_who_has_least_to_do_is_asked(proxy: int, versions: tuple[Application, Application]) -> None:
    """Of two endpoints that are drawn the busy one loses: it gets a quarter, within five standard deviations."""
    async with client(proxy) as http:
        found = await stuck(http, "least", versions)
    assert abs(found - 30) < 5 * 4.8


async def test_chance_knows_nothing_of_who_is_busy(proxy: int, versions: tuple[Application, Application]) -> None:
    async with client(proxy) as http:
        found = await stuck(http, "by-chance", versions)
    assert abs(found - 60) < 5 * 5.5


@pytest.mark.parametrize("host", ["by-header", "by-query", "by-cookie", "by-maglev", "by-ring"])
async def test_users_stay_where_they_are(proxy: int, host: str) -> None:
    """Three calls of each user go to one endpoint, and not all users' to the same."""
    found = {}
    async with client(proxy) as http:
        for user in USERS:
            names = {
                await name_of(http, host, f"/{n}?user={user}", **{"x-user": user, "cookie": f"user={user}"})
                for n in range(3)
            }
            assert len(names) == 1, user
            found[user] = names.pop()
    assert set(found.values()) == {"v1", "v2"}


async def test_addresses_stay_where_they_are(proxy: int) -> None:
    found = set()
    for number in range(2, 20):
        place = httpx.AsyncHTTPTransport(verify=False, local_address=f"127.0.0.{number}")
        async with client(transport=place, base_url=f"http://127.0.0.1:{proxy}") as http:
            answers = [await http.get("/", headers={"host": "by-source.example.com"}) for _ in range(3)]
        names = {each.json()["name"] for each in answers}
        assert len(names) == 1
        found |= names
    assert found == {"v1", "v2"}


async def test_a_client_without_a_cookie_is_given_one(proxy: int) -> None:
    found = set()
    for _ in range(24):
        async with client(proxy) as http:
            name = await name_of(http, "by-new-cookie")
            (cookie,) = http.cookies.jar
            assert (cookie.name, cookie.path) == ("user", "/")
            assert {await name_of(http, "by-new-cookie") for _ in range(3)} == {name}
        found.add(name)
    assert found == {"v1", "v2"}


async def test_a_subset_has_a_policy_of_its_own(proxy: int) -> None:
    async with client(proxy) as http:
        sticky = {await name_of(http, "subset-policy", "/sticky", **{"x-user": "a"}) for _ in range(10)}
        free = {await name_of(http, "subset-policy", "/", **{"x-user": "a"}) for _ in range(10)}
    assert (len(sticky), free) == (1, {"v1", "v2"})
