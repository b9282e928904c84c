"""Ways out where connections are intercepted: what tells services apart, and what becomes of what nobody takes."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import TOLD_PORTS, Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.9", **TOLD_PORTS)
ANY = "0.0.0.0"
TAKEN = "listener-taken"
Seen = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str]


def service(name: str, protocol: str, port: int = 80, addresses: str = "", resolution: str = "STATIC") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example]
  location: MESH_INTERNAL
  resolution: {resolution}
  addresses: [{addresses}]
  ports: [{{number: {port}, name: p, protocol: {protocol}}}]
  endpoints: [{{address: 10.1.0.1}}]
"""


def seen(chain: dict[str, Any]) -> Seen:
    """What a chain matches (transport, ALPN, SNI, networks), and the table or cluster that it leads to."""
    match, last = chain.get("filter_chain_match", {}), chain["filters"][-1]["typed_config"]
    networks = tuple(f"{each['address_prefix']}/{each['prefix_len']}" for each in match.get("prefix_ranges", ()))
    alpn, sni = tuple(match.get("application_protocols", ())), tuple(match.get("server_names", ()))
    target = last["cluster"] if "cluster" in last else f"table {last['rds']['route_config_name']}"
    return match.get("transport_protocol", ""), alpn, sni, networks, target


def chains(compiled: Compiled, name: str) -> list[Seen]:
    """Of a listener, in order; the default one last."""
    listener = as_dict(compiled.listeners[name])
    last = [listener["default_filter_chain"]] if "default_filter_chain" in listener else []
    return [seen(each) for each in [*listener["filter_chains"], *last]]


def http(table: str = "80") -> Seen:
    return "raw_buffer", ("http/1.1", "h2c"), (), (), f"table {table}"


def rest(cluster: str) -> Seen:
    return "", (), (), (), cluster


def sni(host: str, cluster: str) -> Seen:
    return "", (), (host,), (), cluster


def cluster(name: str, port: int = 80) -> str:
    return f"outbound|{port}||{name}.example"


PASS = rest("PassthroughCluster")


@pytest.mark.parametrize(
    ("case", "text", "name", "expected"),
    [
        ("HTTP is known by its host", service("a", "HTTP"), f"{ANY}_80", [http(), PASS]),
        ("with an address, too", service("a", "GRPC", 80, "10.9.0.1"), f"{ANY}_80", [http(), PASS]),
        ("TCP by its address", service("a", "TCP", 80, "10.9.0.1"), "10.9.0.1_80", [rest(cluster("a"))]),
        ("or else it takes the port", service("a", "TCP"), f"{ANY}_80", [rest(cluster("a"))]),
        (
            "or the part of it that is its network",
            service("a", "TCP", 80, "10.9.1.0/24"),
            f"{ANY}_80",
            [("", (), (), ("10.9.1.0/24",), cluster("a")), PASS],
        ),
        ("TLS by its address", service("a", "TLS", 80, "10.9.0.1"), "10.9.0.1_80", [rest(cluster("a"))]),
        ("or by SNI", service("a", "HTTPS"), f"{ANY}_80", [sni("a.example", cluster("a")), PASS]),
        (
            "an unknown protocol is found out",
            service("a", "''", 80, "10.9.0.1"),
            "10.9.0.1_80",
            [http("a.example:80"), rest(cluster("a"))],
        ),
        ("also where the port is all", service("a", "''"), f"{ANY}_80", [http(), rest(cluster("a"))]),
        (
            "HTTP, TLS and TCP live on one port",
            service("a", "HTTP") + service("b", "TLS") + service("c", "TCP"),
            f"{ANY}_80",
            [sni("b.example", cluster("b")), http(), rest(cluster("c"))],
        ),
        ("Mongo is TCP", service("a", "MONGO", 80, "10.9.0.1"), "10.9.0.1_80", [rest(cluster("a"))]),
        (
            "a single host may be written as a network",
            service("a", "TCP", 80, "10.9.0.1/32"),
            "10.9.0.1_80",
            [rest(cluster("a"))],
        ),
    ],
)
def test_chains(case: str, text: str, name: str, expected: list[Seen], validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(text).compile(PROXY)
    assert chains(compiled, name) == expected, case
    assert compiled.problems() == []
    validate(compiled)


def test_a_service_has_a_listener_at_each_of_its_addresses() -> None:
    compiled = Mesh(service("a", "TCP", 80, "10.9.0.1, 10.9.0.2, 10.8.0.0/16")).compile(PROXY)
    assert sorted(compiled.listeners) == [
        f"{ANY}_80",
        "10.9.0.1_80",
        "10.9.0.2_80",
        "virtualInbound",
        "virtualOutbound",
    ]


@pytest.mark.parametrize(
    ("first", "second", "lost"),
    [
        (service("a", "TCP"), service("b", "TCP"), True),
        (service("a", "TCP", 80, "10.9.0.1"), service("b", "TCP", 80, "10.9.0.1"), True),
        (service("a", "TCP", 80, "10.9.1.0/24"), service("b", "TCP", 80, "10.9.1.7/24"), True),
        (service("a", "TCP", 80, "10.9.1.0/24"), service("b", "TCP", 80, "10.9.0.0/16"), False),
        (service("a", "TCP", 80, "10.9.0.1"), service("b", "TCP", 80, "10.9.0.2"), False),
        (service("a", "''", 80, "10.9.0.1"), service("b", "''", 80, "10.9.0.1"), True),
        (service("a", "TCP"), service("b", "''"), False),
        (service("a", "HTTP"), service("b", "HTTP"), False),
    ],
)
def test_the_oldest_has_the_place(first: str, second: str, lost: bool, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(first + second).compile(PROXY)
    assert compiled.problems() == ([("default/b", TAKEN, "spec.ports[0]")] if lost else [])
    validate(compiled)


@pytest.mark.parametrize("port", [15001, 15006, 15021, 15090])
@pytest.mark.parametrize("protocol", ["HTTP", "TCP", "''"])
def test_the_proxys_own_ports_are_nobodys(port: int, protocol: str, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service("a", protocol, port)).compile(PROXY)
    assert compiled.problems() == [("default/a", "port-reserved", "spec.ports[0]")]
    assert sorted(compiled.listeners) == ["virtualInbound", "virtualOutbound"]
    validate(compiled)


def policy(mode: str) -> str:
    return f"---\nkind: MeshConfig\nspec: {{outboundTrafficPolicy: {{mode: {mode}}}, accessLogFile: /dev/stdout}}"


@pytest.mark.parametrize(
    ("mode", "onward"), [("ALLOW_ANY", "PassthroughCluster"), ("REGISTRY_ONLY", "BlackHoleCluster")]
)
def test_what_nobody_declared(mode: str, onward: str, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(policy(mode) + service("a", "HTTP")).compile(PROXY)
    listener = as_dict(compiled.listeners["virtualOutbound"])
    assert (listener["use_original_dst"], "bind_to_port" in listener) == (True, False)
    loop, other = listener["filter_chains"]
    assert (loop["name"], loop["filter_chain_match"]) == ("virtualOutbound-blackhole", {"destination_port": 15001})
    assert seen(loop)[-1] == "BlackHoleCluster"
    assert (other["name"], seen(other)) == ("virtualOutbound-catchall-tcp", rest(onward))
    assert chains(compiled, f"{ANY}_80") == [http(), rest(onward)]
    validate(compiled)


def test_a_sidecar_may_let_out_more_or_less_than_the_mesh() -> None:
    own = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["*/*"]}]}
"""
    compiled = Mesh(policy("ALLOW_ANY") + own).compile(PROXY)
    assert chains(compiled, "virtualOutbound")[1] == rest("BlackHoleCluster")


def test_a_way_out_that_is_not_captured_is_bound(validate: Callable[[Compiled], None]) -> None:
    own = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
  egress:
  - {port: {number: 80, name: http, protocol: HTTP}, bind: 127.0.0.1, captureMode: NONE, hosts: ["*/*"]}
  - {hosts: ["*/*"]}
"""
    compiled = Mesh(service("a", "HTTP") + own).compile(PROXY)
    bound = {name: not each.HasField("bind_to_port") for name, each in compiled.listeners.items()}
    assert bound == {"127.0.0.1_80": True, f"{ANY}_80": False, "virtualInbound": True, "virtualOutbound": True}
    validate(compiled)


def test_a_sniffed_connection_that_is_no_http_says_so_to_the_server() -> None:
    """Its cluster tells servers that HTTP comes, in a way that fits both versions."""
    compiled = Mesh(service("a", "''", 80, "10.9.0.1")).compile(PROXY)
    listener = as_dict(compiled.listeners["10.9.0.1_80"])
    state = listener["default_filter_chain"]["filters"][0]["typed_config"]["on_new_connection"][0]
    assert state["object_key"] == "envoy.network.application_protocols"
    assert state["format_string"]["text_format_source"]["inline_string"] == "istio"
    sockets = as_dict(compiled.clusters[cluster("a")])["transport_socket_matches"]
    context = sockets[0]["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["alpn_protocols"] == ["istio-http/1.1", "istio"]


def test_requests_of_unknown_ports_go_on_in_the_clients_protocol() -> None:
    compiled = Mesh(service("a", "''", 80, "10.9.0.1")).compile(PROXY)
    for name in (cluster("a"), "PassthroughCluster", "InboundPassthroughCluster"):
        ((_, options),) = as_dict(compiled.clusters[name])["typed_extension_protocol_options"].items()
        assert "use_downstream_protocol_config" in options, name


def test_tls_routes_come_before_the_services_own_address() -> None:
    rule = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example]
  tls: [{match: [{sniHosts: [a.example]}], route: [{destination: {host: b.example, port: {number: 81}}}]}]
"""
    text = service("a", "TLS", 80, "10.9.0.1") + service("b", "TCP", 81, "10.9.0.2") + rule
    assert chains(Mesh(text).compile(PROXY), "10.9.0.1_80") == [
        sni("a.example", cluster("b", 81)),
        rest(cluster("a")),
    ]


def test_names_that_nobody_declared_are_resolved_where_the_mesh_wants_that(
    validate: Callable[[Compiled], None],
) -> None:
    mode = "kind: MeshConfig\nspec: {outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}}\n---\n"
    compiled = Mesh(mode + service("a", "HTTP")).compile(PROXY)
    table = as_dict(compiled.routes["80"])
    assert [each["name"] for each in table["virtual_hosts"]][-1] == "allow_any_dynamic_dns"
    chain = as_dict(compiled.listeners["virtualOutbound"])["filter_chains"][1]
    assert chain["name"] == "virtualOutbound-catchall-tcp-http"
    filters = [each["name"] for each in chain["filters"][0]["typed_config"]["http_filters"]]
    assert "envoy.filters.http.dynamic_forward_proxy" in filters
    assert "AllowAnyDynamicDNSCluster" in compiled.clusters
    validate(compiled)


def test_a_sidecars_own_policy_beats_the_meshs_names() -> None:
    mode = "kind: MeshConfig\nspec: {outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}}\n---\n"
    sidecar = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["./*"]}]}
"""
    compiled = Mesh(mode + service("a", "HTTP") + sidecar).compile(PROXY)
    assert "AllowAnyDynamicDNSCluster" not in compiled.clusters
    assert as_dict(compiled.routes["80"])["virtual_hosts"][-1]["name"] == "block_all"
