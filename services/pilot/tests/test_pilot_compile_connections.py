"""Connections that are not HTTP: TCP routes, and TLS services told apart by SNI."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.connections import is_server_name
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("client", LABELS={"app": "x"})


def service(name: str, protocol: str = "TCP", port: int = 6379, host: str = "", external: bool = False) -> str:
    location = "MESH_EXTERNAL" if external else "MESH_INTERNAL"
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: ['{host or f"{name}.default.svc.cluster.local"}']
  location: {location}
  resolution: STATIC
  ports: [{{number: {port}, name: p, protocol: {protocol}}}]
"""


def routes(spec: str, name: str = "r") -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: default}}\nspec: {{{spec}}}\n"
    )


def cluster(name: str, subset: str = "", port: int = 6379) -> str:
    return f"outbound|{port}|{subset}|{name}.default.svc.cluster.local"


def chains_of(compiled: Compiled, listener: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = as_dict(compiled.listeners[listener])["filter_chains"]
    return found


def proxy_of(chain: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = chain["filters"][0]["typed_config"]
    return found


KV = service("kv") + service("other", port=6380)
SUBSET = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: kv, namespace: default}
spec: {host: kv, subsets: [{name: v1, labels: {version: v1}}]}
"""


@pytest.mark.parametrize(
    ("tcp", "expected"),
    [
        ("", cluster("kv")),
        ("{route: [{destination: {host: other, port: {number: 6380}}}]}", cluster("other", port=6380)),
        ("{route: [{destination: {host: other}}]}", cluster("other", port=6380)),
        ("{route: [{destination: {host: kv, subset: v1}}]}", cluster("kv", "v1")),
        ("{route: [{destination: {host: nobody}}]}", cluster("nobody")),
        ("{match: [{port: 1}], route: [{destination: {host: other}}]}", cluster("kv")),
        ("{match: [{port: 6379}], route: [{destination: {host: kv, subset: v1}}]}", cluster("kv", "v1")),
        ("{match: [{sourceLabels: {app: x}}], route: [{destination: {host: kv, subset: v1}}]}", cluster("kv", "v1")),
        ("{match: [{sourceLabels: {app: y}}], route: [{destination: {host: kv, subset: v1}}]}", cluster("kv")),
        ("{match: [{gateways: [g]}], route: [{destination: {host: kv, subset: v1}}]}", cluster("kv")),
        (
            "{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: kv, subset: v1}}]}",
            cluster("kv"),
        ),
        ("{match: [{sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: kv, subset: v1}}]}", cluster("kv")),
        (
            "{match: [{port: 1}, {port: 6379}], route: [{destination: {host: kv, subset: v1}}]}",
            cluster("kv", "v1"),
        ),
        (
            "{match: [{port: 1}], route: [{destination: {host: other}}]}, {route: [{destination: {host: kv, subset: v1}}]}",
            cluster("kv", "v1"),
        ),
    ],
)
def test_the_first_tcp_route_for_the_client_counts(tcp: str, expected: str) -> None:
    text = KV + SUBSET + (routes(f"hosts: [kv], tcp: [{tcp}]") if tcp else "")
    (chain,) = chains_of(Mesh(text).compile(PROXY), "127.0.0.1_6379")
    assert proxy_of(chain)["cluster"] == expected
    assert "filter_chain_match" not in chain


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([3, 1], [("kv", 3), ("other", 1)]), ([1, 0], None), ([0, 0], None)],
)
def test_tcp_is_shared_by_weight(weights: list[int], expected: list[tuple[str, int]] | None) -> None:
    targets = (
        f"{{destination: {{host: kv}}, weight: {weights[0]}}}, {{destination: {{host: other}}, weight: {weights[1]}}}"
    )
    text = KV + routes(f"hosts: [kv], tcp: [{{route: [{targets}]}}]")
    proxy = proxy_of(chains_of(Mesh(text).compile(PROXY), "127.0.0.1_6379")[0])
    if expected is None:
        assert proxy["cluster"] == cluster("kv")
    else:
        found = [(each["name"], each["weight"]) for each in proxy["weighted_clusters"]["clusters"]]
        assert found == [(cluster("kv"), 3), (cluster("other", port=6380), 1)]


def test_connections_are_hashed_by_their_source_if_asked() -> None:
    rule = SUBSET.replace(
        "{host: kv,", "{host: kv, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}},"
    )
    proxy = proxy_of(chains_of(Mesh(KV + rule).compile(PROXY), "127.0.0.1_6379")[0])
    assert proxy["hash_policy"] == [{"source_ip": {}}]


def test_a_header_cannot_be_hashed_on_a_connection() -> None:
    rule = SUBSET.replace(
        "{host: kv,", "{host: kv, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}},"
    )
    assert "hash_policy" not in proxy_of(chains_of(Mesh(KV + rule).compile(PROXY), "127.0.0.1_6379")[0])


def sni_of(compiled: Compiled, listener: str = "127.0.0.1_443") -> list[list[str] | None]:
    return [each.get("filter_chain_match", {}).get("server_names") for each in chains_of(compiled, listener)]


TLS = service("one", "TLS", 443, "one.io", external=True) + service("two", "HTTPS", 443, "*.two.io", external=True)


def test_tls_services_share_a_port_by_their_names(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(TLS + service("rest", "TCP", 443)).compile(PROXY)
    assert sni_of(compiled) == [["one.io"], ["*.two.io"], None]
    assert [each.name.rpartition(".")[2] for each in compiled.listeners["127.0.0.1_443"].listener_filters] == [
        "tls_inspector"
    ]
    validate(compiled)


@pytest.mark.parametrize(
    ("case", "tls", "expected"),
    [
        (
            "names of rules before the service's own",
            "{match: [{sniHosts: [a.one.io]}], route: [{destination: {host: two.io}}]}",
            [["a.one.io"], ["one.io"], ["*.two.io"]],
        ),
        (
            "a rule may take the service's own name",
            "{match: [{sniHosts: [one.io]}], route: [{destination: {host: one.io}}]}",
            [["one.io"], ["*.two.io"]],
        ),
        (
            "a name goes to the first that asks for it",
            "{match: [{sniHosts: [a.one.io, b.one.io]}], route: [{destination: {host: one.io}}]},"
            "{match: [{sniHosts: [B.one.io, c.one.io]}], route: [{destination: {host: one.io}}]}",
            [["a.one.io", "b.one.io"], ["c.one.io"], ["one.io"], ["*.two.io"]],
        ),
        (
            "rules for others leave no chain",
            "{match: [{sniHosts: [a.one.io], port: 1}], route: [{destination: {host: one.io}}]}",
            [["one.io"], ["*.two.io"]],
        ),
        (
            "names that Envoy cannot match are left out",
            "{match: [{sniHosts: ['*-x.one.io', y.one.io]}], route: [{destination: {host: one.io}}]}",
            [["y.one.io"], ["one.io"], ["*.two.io"]],
        ),
        (
            "a star is all",
            "{match: [{sniHosts: ['*']}], route: [{destination: {host: one.io}}]}",
            [None, ["one.io"], ["*.two.io"]],
        ),
    ],
)
def test_tls_routes(
    case: str, tls: str, expected: list[list[str] | None], validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(TLS + routes(f"hosts: [one.io], tls: [{tls}]")).compile(PROXY)
    assert sni_of(compiled) == expected, case
    validate(compiled)


@pytest.mark.parametrize(
    ("host", "expected"), [("*", True), ("a.io", True), ("*.io", True), ("*a.io", False), ("*-a.io", False)]
)
def test_what_a_chain_can_match(host: str, expected: bool) -> None:
    assert is_server_name(host) is expected


def test_what_a_tcp_listener_depends_on() -> None:
    text = KV + SUBSET + routes("hosts: [kv], tcp: [{route: [{destination: {host: other}}]}]")
    resources = Mesh(text).compile(PROXY).compiled.resources
    listener = next(each for held in resources.values() for name, each in held.items() if name == "127.0.0.1_6379")
    names = {f"{key.collection.rpartition('/')[2]}/{key.name}" for key in listener.depends_on}
    assert names == {"serviceentries/kv", "serviceentries/other", "virtualservices/r"}
