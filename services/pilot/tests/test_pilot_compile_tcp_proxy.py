"""How long TCP connections may be silent, and under which names they are counted."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

SERVICE = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.io]
  addresses: [240.0.0.1]
  resolution: STATIC
  ports: [{number: 80, name: p, protocol: TCP}]
  endpoints: [{address: 10.0.0.1}]
"""


def document(kind: str, spec: str) -> str:
    return f"---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: r, namespace: n}}\nspec: {{{spec}}}\n"


def proxies(compiled: Compiled, listener: str) -> Iterator[dict[str, Any]]:
    for chain in as_dict(compiled.listeners[listener])["filter_chains"]:
        yield chain["filters"][-1]["typed_config"]


def made(text: str = "", mesh: str = "", **metadata: Any) -> Compiled:
    stated = f"kind: MeshConfig\nspec: {{{mesh}}}\n" if mesh else ""
    return Mesh(stated + SERVICE + text).compile(
        make_proxy("p", namespace="n", INTERCEPTION_MODE="REDIRECT", **metadata)
    )


RULE = document("DestinationRule", "host: a.io, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 60s}}}")


@pytest.mark.parametrize(
    ("stated", "rule", "expected"),
    [
        ("", "", None),
        ("30s", "", "30s"),
        ("1h2m3s", "", "3723s"),
        ("1500ms", "", "1.500s"),
        ("30 s", "", None),
        ("invalid-30s", "", None),
        ("-30s", "", None),
        ("30s", RULE, "60s"),
        ("", RULE, "60s"),
        ("", RULE.replace("60s", "-60s"), None),
        ("99999999h", "", "1000000000s"),
    ],
)
def test_how_long_a_connection_may_be_silent(
    stated: str, rule: str, expected: str | None, validate: Callable[[Compiled], None]
) -> None:
    compiled = made(rule, IDLE_TIMEOUT=stated)
    assert [each.get("idle_timeout") for each in proxies(compiled, "240.0.0.1_80")] == [expected]
    validate(compiled)


def test_what_comes_in_may_be_as_silent_as_the_node_says() -> None:
    compiled = made(IDLE_TIMEOUT="30s", INSTANCE_IPS="10.0.0.1")
    found = [each for each in proxies(compiled, "virtualInbound") if each["@type"].endswith("TcpProxy")]
    assert {each.get("idle_timeout") for each in found[1:]} == {"30s"}


ROUTE = "hosts: [a.io], tcp: [{{route: [{0}]}}]"
ONE = "{destination: {host: a.io}}"
TWO = "{destination: {host: a.io}, weight: 1}, {destination: {host: a.io, subset: s}, weight: 1}"


@pytest.mark.parametrize(
    ("pattern", "route", "expected"),
    [
        ("", "", "outbound|80||a.io"),
        ("%SERVICE%", "", "a.io"),
        ("%SERVICE%_%SERVICE_PORT%", ONE, "a.io_80"),
        ("%SERVICE%", TWO, "r.n"),
    ],
)
def test_what_connections_are_counted_under(pattern: str, route: str, expected: str) -> None:
    mesh = f"outboundClusterStatName: '{pattern}'" if pattern else ""
    text = document("VirtualService", ROUTE.format(route)) if route else ""
    assert [each["stat_prefix"] for each in proxies(made(text, mesh), "240.0.0.1_80")] == [expected]
