"""Which VirtualService and which DestinationRule of several a caller is bound by: what it reaches tells."""

from __future__ import annotations

import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.rows import http_proxy, services
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")


def service(host: str) -> str:
    """Of namespace remote, with an endpoint of each version."""
    made = services([f"{host}.example.com"], "{number: 80, name: http, protocol: HTTP}")
    return made.replace("namespace: default", "namespace: remote")


def rule(name: str, host: str, version: str, namespace: str = "default", more: str = "") -> str:
    """A DestinationRule whose only subset, `s`, is this version."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}-{version}, namespace: {namespace}}}
spec:
  host: "{host}"
  subsets: [{{name: s, labels: {{version: {version}}}}}]
  {more}
"""


def route(name: str, hosts: str, to: str, namespace: str = "default", more: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{hosts}]
  {more}
  http: [{to}]
"""


def to(host: str, subset: str = "s") -> str:
    return f"{{route: [{{destination: {{host: {host}, subset: {subset}}}}}]}}"


V1, V2 = to("target.example.com", "v1"), to("target.example.com", "v2")
TARGET = (
    service("target")
    + """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: target, namespace: remote}
spec:
  host: target.example.com
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""
)


def ruled(host: str, *rules: str) -> str:
    """A service, the rules of its traffic, and a route to its subset."""
    name = f"{host}.example.com"
    return service(host) + route(host, name, to(name)) + "".join(rules)


# What is configured for a host, and who answers: the status where nobody does
HOSTS: dict[str, tuple[str, object]] = {
    "own-before-servers": (ruled("own-before-servers", rule("a", "own-before-servers.example.com", "v2", "remote"), rule("a", "own-before-servers.example.com", "v1")), "v1"),
    "servers-before-root": (ruled("servers-before-root", rule("b", "servers-before-root.example.com", "v1", "istio-system"), rule("b", "servers-before-root.example.com", "v2", "remote")), "v2"),
    "of-root": (ruled("of-root", rule("c", "of-root.example.com", "v1", "istio-system")), "v1"),
    "kept-to-itself": (ruled("kept-to-itself", rule("d", "kept-to-itself.example.com", "v1", "remote", "exportTo: [.]")), 503),
    "of-strangers": (ruled("of-strangers", rule("e", "of-strangers.example.com", "v1", "elsewhere")), 503),
    "a.wild": (ruled("a.wild", rule("f", "*.wild.example.com", "v2")), "v2"),
    "b.wild": (ruled("b.wild", rule("g", "b.wild.example.com", "v1")), "v1"),
    "for-me": (ruled("for-me", rule("h", "for-me.example.com", "v1"), rule("h", "for-me.example.com", "v2", more="workloadSelector: {matchLabels: {app: caller}}")), "v2"),
    "for-others": (ruled("for-others", rule("i", "for-others.example.com", "v1"), rule("i", "for-others.example.com", "v2", more="workloadSelector: {matchLabels: {app: other}}")), "v1"),
    "joined": (ruled("joined", rule("j", "joined.example.com", "v1"), rule("j", "joined.example.com", "v2").replace("name: s,", "name: t,")), "v1"),
    "oldest": (service("oldest") + route("k1", "oldest.example.com", V1) + route("k2", "oldest.example.com", V2), "v1"),
    "one.route": (service("one.route") + route("l1", '"*.route.example.com"', V1) + route("l2", "one.route.example.com", V2), "v2"),
    "two.route": (service("two.route"), "v1"),
    "hidden": (service("hidden") + route("m", "hidden.example.com", V1, "remote", "exportTo: [.]") + route("m2", "hidden.example.com", V2), "v2"),
    "shown": (service("shown") + route("n", "shown.example.com", V2, "remote"), "v2"),
    "of-a-gateway": (service("of-a-gateway") + route("o", "of-a-gateway.example.com", V1, more="gateways: [edge]") + route("o2", "of-a-gateway.example.com", V2, more="gateways: [edge, mesh]"), "v2"),
    "of-nobody": (route("p", "of-nobody.example.com", V2), "v2"),
}  # fmt: skip
OBJECTS = TARGET + http_proxy() + "".join(text for text, _ in HOSTS.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(mesh: SmallMesh, versions: tuple[Application, Application]) -> int:
    port = free_port()
    mesh.publish(OBJECTS, {"v1": versions[0].port, "v2": versions[1].port, "proxy": port})
    await mesh.add("caller")
    await mesh.applied()
    return port


async def test_who_answers(proxy: int) -> None:
    found = {}
    async with client(proxy) as http:
        for host in HOSTS:
            answers = [await http.get(f"http://{host}.example.com/") for _ in range(4)]
            told = {each.json()["name"] if each.status_code == 200 else each.status_code for each in answers}
            found[host] = told.pop() if len(told) == 1 else told
    assert found == {host: sees for host, (_, sees) in HOSTS.items()}
