"""What a gRPC client and server that speak xDS themselves are given, and what they are not (pilot.md 4)."""

from typing import Any

import pytest

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

SERVICE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: echo, namespace: default}
spec:
  hosts: [echo.default.svc.cluster.local]
  addresses: [10.9.0.1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 7070, targetPort: 17070, name: grpc, protocol: GRPC}, {number: 53, name: udp, protocol: UDP}]
  endpoints:
  - {address: 127.0.1.1, labels: {version: v1}, serviceAccount: echo}
  - {address: 127.0.1.2, labels: {version: v2}, serviceAccount: echo}
"""
HOST = "echo.default.svc.cluster.local"
TABLE = CLUSTER = f"outbound|7070||{HOST}"
DEFAULT = {"instance_name": "default", "certificate_name": "default"}
ROOTS = {"instance_name": "default", "certificate_name": "ROOTCA"}


def client(**metadata: Any) -> Proxy:
    return make_proxy("client", 9, GENERATOR="grpc", **metadata)


def server(**metadata: Any) -> Proxy:
    return make_proxy("echo-v1", 1, GENERATOR="grpc", **metadata)


def compiled(*more: str, proxy: Proxy | None = None) -> Compiled:
    return Mesh("---".join((SERVICE, *more))).compile(proxy or client())


def rule(policy: str, subsets: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: echo, namespace: default}}
spec:
  host: {HOST}
  trafficPolicy: {policy}
  subsets: [{subsets}]
"""


def routes(http: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: echo, namespace: default}}
spec:
  hosts: [{HOST}]
  http: {http}
"""


def peers(mode: str) -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: {mode}}}}}
"""


def the_cluster(*more: str, name: str = CLUSTER) -> dict[str, Any]:
    return as_dict(compiled(*more).clusters[name])


def test_every_name_of_a_service_is_a_listener_with_its_port() -> None:
    listeners = compiled().listeners
    short = ("echo", "echo.default", "echo.default.svc", HOST, "10.9.0.1")
    assert {f"{each}:7070" for each in short} <= set(listeners)
    assert not any(name.endswith(":53") for name in listeners)
    assert not any(name.startswith("*") or ".:" in name for name in listeners)


def test_a_listener_names_its_table_and_the_filters_that_grpc_knows() -> None:
    listener = as_dict(compiled().listeners[f"{HOST}:7070"])
    assert set(listener) == {"name", "api_listener"}
    manager = listener["api_listener"]["api_listener"]
    assert manager["rds"]["route_config_name"] == TABLE
    assert "ads" in manager["rds"]["config_source"]
    assert [each["name"] for each in manager["http_filters"]] == [
        "envoy.filters.http.fault",
        "envoy.filters.http.router",
    ]


def test_there_is_nothing_of_an_envoys() -> None:
    found = compiled()
    assert set(found.clusters) == {CLUSTER}
    assert set(found.routes) == {TABLE}
    assert all("inbound|" not in name and "virtual" not in name for name in found.listeners)


def test_a_table_is_one_host_for_every_authority() -> None:
    (host,) = as_dict(compiled().routes[TABLE])["virtual_hosts"]
    assert host["domains"] == ["*"]
    assert host["routes"][0]["route"]["cluster"] == CLUSTER


def test_a_timeout_is_said_as_grpc_knows_it() -> None:
    (host,) = as_dict(compiled(routes("[{timeout: 3s, route: [{destination: {host: echo}}]}]")).routes[TABLE])[
        "virtual_hosts"
    ]
    assert host["routes"][0]["route"]["max_stream_duration"]["max_stream_duration"] == "3s"


@pytest.mark.parametrize(("retries", "kept"), [("{attempts: 2, retryOn: unavailable}", True), ("{attempts: 0}", False)])
def test_retries_are_kept_where_there_are_any(retries: str, kept: bool) -> None:
    text = f"[{{retries: {retries}, route: [{{destination: {{host: echo}}}}]}}]"
    (host,) = as_dict(compiled(routes(text)).routes[TABLE])["virtual_hosts"]
    assert ("retry_policy" in host["routes"][0]["route"]) is kept


def test_what_grpc_cannot_match_does_not_take_every_call() -> None:
    text = """
  - {match: [{queryParams: {a: {exact: b}}}], route: [{destination: {host: echo, subset: v1}}]}
  - {match: [{headers: {a: {exact: b}}}], route: [{destination: {host: echo, subset: v2}}]}
"""
    subsets = "{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}"
    (host,) = as_dict(compiled(routes(text), rule("{}", subsets)).routes[TABLE])["virtual_hosts"]
    (route,) = host["routes"]
    assert route["route"]["cluster"] == f"outbound|7070|v2|{HOST}"


def test_filters_that_a_listener_lacks_are_configured_in_no_route() -> None:
    text = (
        "[{corsPolicy: {allowOrigins: [{exact: a}]}, fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 5}}},"
        " route: [{destination: {host: echo}}]}]"
    )
    (host,) = as_dict(compiled(routes(text)).routes[TABLE])["virtual_hosts"]
    assert set(host["routes"][0]["typed_per_filter_config"]) == {"envoy.filters.http.fault"}


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("{}", "ROUND_ROBIN"),
        ("{loadBalancer: {simple: RANDOM}}", "ROUND_ROBIN"),
        ("{loadBalancer: {simple: LEAST_REQUEST}}", "ROUND_ROBIN"),
        ("{loadBalancer: {consistentHash: {httpHeaderName: user}}}", "RING_HASH"),
    ],
)
def test_only_policies_that_every_library_knows(policy: str, chosen: str) -> None:
    assert the_cluster(rule(policy)).get("lb_policy", "ROUND_ROBIN") == chosen


@pytest.mark.parametrize(("asked", "made"), [(2048, 2048), (9_000_000, 8_388_608)])
def test_a_ring_is_no_larger_than_libraries_take(asked: int, made: int) -> None:
    found = the_cluster(
        rule(f"{{loadBalancer: {{consistentHash: {{httpHeaderName: u, ringHash: {{minimumRingSize: {asked}}}}}}}}}")
    )
    assert found["ring_hash_lb_config"]["minimum_ring_size"] == str(made)


def test_requests_are_the_only_limit() -> None:
    found = the_cluster(rule("{connectionPool: {tcp: {maxConnections: 7}, http: {http2MaxRequests: 5}}}"))
    assert found["circuit_breakers"]["thresholds"] == [{"max_requests": 5}]


def test_endpoints_come_over_the_same_stream() -> None:
    found = compiled()
    assert "ads" in as_dict(found.clusters[CLUSTER])["eds_cluster_config"]["eds_config"]
    (locality,) = as_dict(found.endpoints[CLUSTER])["endpoints"]
    addresses = [each["endpoint"]["address"]["socket_address"] for each in locality["lb_endpoints"]]
    assert [(each["address"], each["port_value"]) for each in addresses] == [("127.0.1.1", 17070), ("127.0.1.2", 17070)]
    assert "locality" in locality
    assert locality["load_balancing_weight"] > 0


def test_a_service_by_name_is_a_cluster_of_its_first_name() -> None:
    named = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: away, namespace: default}
spec:
  hosts: [away.example]
  resolution: DNS
  ports: [{number: 443, name: grpc, protocol: GRPC}]
  endpoints: [{address: one.example}, {address: two.example}]
"""
    found = the_cluster(named, name="outbound|443||away.example")
    assert found["type"] == "LOGICAL_DNS"
    (locality,) = found["load_assignment"]["endpoints"]
    (only,) = locality["lb_endpoints"]
    assert only["endpoint"]["address"]["socket_address"] == {"address": "one.example", "port_value": 443}


def test_mutual_tls_only_where_a_rule_orders_it() -> None:
    assert "transport_socket" not in the_cluster(peers("STRICT"))
    socket = the_cluster(rule("{tls: {mode: ISTIO_MUTUAL}}"))["transport_socket"]
    assert socket["name"] == "envoy.transport_sockets.tls"
    common = socket["typed_config"]["common_tls_context"]
    assert common["tls_certificate_provider_instance"] == DEFAULT
    assert common["tls_certificate_certificate_provider_instance"] == DEFAULT
    validation = common["combined_validation_context"]
    assert validation["validation_context_certificate_provider_instance"] == ROOTS
    assert validation["default_validation_context"] == {
        "ca_certificate_provider_instance": ROOTS,
        "match_subject_alt_names": [{"exact": "spiffe://cluster.local/ns/default/sa/echo"}],
    }


# servers

INBOUND = "xds.istio.io/grpc/lds/inbound/"


def inbound(*more: str, **metadata: Any) -> dict[str, Any]:
    found = compiled(*more, proxy=server(**metadata)).listeners
    return {name.removeprefix(INBOUND): as_dict(each) for name, each in found.items() if name.startswith(INBOUND)}


def test_a_server_has_a_listener_for_each_address_that_it_may_bind() -> None:
    found = inbound()
    assert set(found) == {"127.0.1.1:17070", "127.0.2.1:17070", "0.0.0.0:17070", "[::]:17070"}
    for name, listener in found.items():
        address = listener["address"]["socket_address"]
        assert name.rpartition(":")[0].strip("[]") == address["address"]
        assert address["port_value"] == 17070
        assert not {"use_original_dst", "listener_filters"} & set(listener)


def test_a_client_is_no_server() -> None:
    assert not any(name.startswith(INBOUND) for name in compiled().listeners)


def test_the_calls_go_to_the_server_itself() -> None:
    (chain,) = inbound()["127.0.1.1:17070"]["filter_chains"]
    assert "filter_chain_match" not in chain
    (manager,) = chain["filters"]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    assert host["routes"] == [{"match": {"prefix": "/"}, "non_forwarding_action": {}}]


@pytest.mark.parametrize(
    ("mode", "labels", "chain"),
    [
        ("STRICT", {}, "inbound-mtls"),
        ("PERMISSIVE", {}, "inbound-plaintext"),
        ("PERMISSIVE", {"security.istio.io/tlsMode": "istio"}, "inbound-mtls"),
        ("DISABLE", {"security.istio.io/tlsMode": "istio"}, "inbound-plaintext"),
    ],
)
def test_a_server_takes_what_its_callers_are_told(mode: str, labels: dict[str, str], chain: str) -> None:
    (found,) = inbound(peers(mode), LABELS=labels)["127.0.1.1:17070"]["filter_chains"]
    assert found["name"] == chain
    secured = "transport_socket" in found
    assert secured is (chain == "inbound-mtls")
    if secured:
        context = found["transport_socket"]["typed_config"]
        assert context["require_client_certificate"] is True
        assert context["common_tls_context"]["tls_certificate_provider_instance"] == DEFAULT


def test_patches_for_envoys_are_not_for_libraries() -> None:
    patch = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: faster, namespace: istio-system}
spec:
  configPatches:
  - {applyTo: CLUSTER, match: {context: ANY}, patch: {operation: MERGE, value: {connect_timeout: 77s}}}
"""
    assert "connect_timeout" not in the_cluster(patch)
