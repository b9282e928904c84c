"""Filters for what a port carries: gRPC of browsers, Mongo, TLS to names that are resolved, TCP through a proxy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

CALLER = make_proxy("caller", INTERCEPTION_MODE="REDIRECT")
WORKLOAD = make_proxy("w", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.0.0.1")
ROUTER = make_proxy("gate", kind="router", LABELS={"app": "gate"})


def document(kind: str, name: str, spec: str) -> str:
    return f"---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def entry(
    protocol: str, more: str = "addresses: [240.0.0.1], resolution: STATIC, endpoints: [{address: 10.0.0.1}]"
) -> str:
    return document(
        "ServiceEntry", "a", f"hosts: [a.io], ports: [{{number: 80, name: p, protocol: {protocol}}}], {more}"
    )


def filters(compiled: Compiled, listener: str, port: int = 0) -> list[list[str]]:
    """The last names of filters in each chain of a listener, or of one destination port."""
    found = as_dict(compiled.listeners[listener])
    chains = [each for each in found["filter_chains"] if port in (0, of(each).get("destination_port"))]
    return [[each["name"].rpartition(".")[2] for each in chain["filters"]] for chain in chains]


def of(chain: dict[str, Any]) -> dict[str, Any]:
    match: dict[str, Any] = chain.get("filter_chain_match", {})
    return match


def http_filters(compiled: Compiled, listener: str, port: int = 0) -> Iterator[list[str]]:
    for chain in as_dict(compiled.listeners[listener])["filter_chains"]:
        if port in (0, of(chain).get("destination_port")) and "http_filters" in chain["filters"][0]["typed_config"]:
            yield [each["name"].rpartition(".")[2] for each in chain["filters"][0]["typed_config"]["http_filters"]]


GATEWAY = "selector: {app: gate}, servers: [{port: {number: 90, name: p, protocol: %s}, hosts: ['a.io']}]"
ROUTE = "hosts: [a.io], gateways: [g], %s: [{route: [{destination: {host: a.io}}]}]"


@pytest.mark.parametrize(("protocol", "expected"), [("GRPC-Web", True), ("GRPC", False), ("HTTP", False)])
def test_browsers_speak_grpc(protocol: str, expected: bool, validate: Callable[[Compiled], None]) -> None:
    text = (
        entry(protocol) + document("Gateway", "g", GATEWAY % protocol) + document("VirtualService", "v", ROUTE % "http")
    )
    for proxy, listener, port in (
        (CALLER, "0.0.0.0_80", 0),
        (WORKLOAD, "virtualInbound", 80),
        (ROUTER, "0.0.0.0_90", 0),
    ):
        compiled = Mesh(text).compile(proxy)
        found = list(http_filters(compiled, listener, port))
        assert found
        assert {each[0] for each in found} == {"grpc_web" if expected else "grpc_stats"}
        validate(compiled)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("Mongo", ["mongo_proxy", "tcp_proxy"]),
        ("Redis", ["tcp_proxy"]),
        ("MySQL", ["tcp_proxy"]),
        ("TCP", ["tcp_proxy"]),
    ],
)
def test_mongo_is_counted_by_its_calls(
    protocol: str, expected: list[str], validate: Callable[[Compiled], None]
) -> None:
    text = (
        entry(protocol) + document("Gateway", "g", GATEWAY % protocol) + document("VirtualService", "v", ROUTE % "tcp")
    )
    for proxy, listener, port in (
        (CALLER, "240.0.0.1_80", 0),
        (WORKLOAD, "virtualInbound", 80),
        (ROUTER, "0.0.0.0_90", 0),
    ):
        compiled = Mesh(text).compile(proxy)
        found = filters(compiled, listener, port)
        assert found
        assert all(each == expected for each in found)
        validate(compiled)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("resolution: DYNAMIC_DNS", ["sni_dynamic_forward_proxy", "tcp_proxy"]),
        ("resolution: DNS", ["tcp_proxy"]),
        ("resolution: NONE", ["tcp_proxy"]),
    ],
)
def test_tls_to_a_name_that_is_resolved(more: str, expected: list[str], validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(entry("TLS", f"location: MESH_EXTERNAL, {more}").replace("[a.io]", "['*.a.io']")).compile(CALLER)
    assert filters(compiled, "0.0.0.0_80") == [expected]
    if "DYNAMIC" in more:
        first = as_dict(compiled.listeners["0.0.0.0_80"])["filter_chains"][0]["filters"][0]["typed_config"]
        assert first["port_value"] == 80
    validate(compiled)


TUNNEL = "tunnel: {protocol: %s, targetHost: %s, targetPort: 8443}"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (TUNNEL % ("CONNECT", "b.io"), {"hostname": "b.io:8443"}),
        ("tunnel: {targetHost: b.io, targetPort: 8443}", {"hostname": "b.io:8443"}),
        (TUNNEL % ("POST", "192.168.1.2"), {"hostname": "192.168.1.2:8443", "use_post": True}),
        (TUNNEL % ("CONNECT", "'2001:db8::1'"), {"hostname": "[2001:db8::1]:8443"}),
        ("loadBalancer: {simple: RANDOM}", None),
        (TUNNEL % ("CONNECT", "'%REQ'"), None),
        ("tunnel: {protocol: CONNECT}", None),
    ],
)
def test_tcp_goes_on_through_a_proxy(
    policy: str, expected: dict[str, Any] | None, validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(
        entry("TCP") + document("DestinationRule", "d", f"host: a.io, trafficPolicy: {{{policy}}}")
    ).compile(CALLER)
    (chain,) = as_dict(compiled.listeners["240.0.0.1_80"])["filter_chains"]
    assert chain["filters"][0]["typed_config"].get("tunneling_config") == expected
    validate(compiled)


def tunnels(route: str) -> list[dict[str, Any] | None]:
    subsets = f"subsets: [{{name: s, trafficPolicy: {{{TUNNEL % ('POST', 'b.io')}}}}}, {{name: t}}]"
    text = entry("TCP") + document("DestinationRule", "d", f"host: a.io, {subsets}")
    text += document("VirtualService", "v", f"hosts: [a.io], tcp: [{{route: [{route}]}}]")
    chains = as_dict(Mesh(text).compile(CALLER).listeners["240.0.0.1_80"])["filter_chains"]
    return [chain["filters"][0]["typed_config"].get("tunneling_config") for chain in chains]


def test_a_subset_has_its_own_proxy_behind_it_and_shares_have_none() -> None:
    one = "{destination: {host: a.io, subset: %s}, weight: 50}"
    assert tunnels(one % "s") == [{"hostname": "b.io:8443", "use_post": True}]
    assert tunnels(one % "t") == [None]
    assert tunnels(f"{one % 's'}, {one % 't'}") == [None]
