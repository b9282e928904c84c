"""What a rule, a Sidecar or the mesh asks of connections and endpoints, field by field; Envoy takes each."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.hashing import request_hash
from flotilla_pilot.compile.http_options import HTTP_OPTIONS
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import LoadBalancerSettings

HOST = "a.default.svc.cluster.local"
NAME = f"outbound|80||{HOST}"
CALLER = make_proxy("client", INTERCEPTION_MODE="REDIRECT")


def service(protocol: str = "HTTP", spec: str = "resolution: STATIC", endpoints: str = "{address: 10.0.0.1}") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: a, namespace: default}}
spec:
  hosts: [{HOST}]
  addresses: [10.1.1.1]
  ports: [{{number: 80, name: p, protocol: {protocol}}}]
  location: MESH_INTERNAL
  endpoints: [{endpoints}]
  {spec}
"""


def rule(policy: str, selector: str = "", subsets: str = "") -> str:
    selecting = f"\n  workloadSelector: {{matchLabels: {{{selector}}}}}" if selector else ""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: a, namespace: default}}
spec:
  host: a
  trafficPolicy: {{{policy}}}
  subsets: [{subsets}]{selecting}
"""


def mesh_of(spec: str) -> str:
    return f"kind: MeshConfig\nspec: {{{spec}}}"


def compiled(*texts: str, proxy: Any = CALLER) -> Compiled:
    return Mesh("\n---\n".join(texts)).compile(proxy)


def part(tree: Any, path: str) -> Any:
    """What stands at a path of fields and places in lists; None where nothing does."""
    for step in path.split("/"):
        tree = tree[int(step)] if isinstance(tree, list) else (tree or {}).get(step)
    return tree


LIMITS = "circuit_breakers/thresholds/0"
HTTP = f"typed_extension_protocol_options/{HTTP_OPTIONS}"


@pytest.mark.parametrize(
    ("protocol", "policy", "path", "expected"),
    [
        ("HTTP", "connectionPool: {tcp: {maxConnectionDuration: 9s}}",
         f"{HTTP}/common_http_protocol_options", {"max_connection_duration": "9s"}),
        ("HTTP", "connectionPool: {tcp: {idleTimeout: 9s}}", f"{HTTP}/common_http_protocol_options/idle_timeout", "9s"),
        ("HTTP", "connectionPool: {tcp: {idleTimeout: 9s}, http: {idleTimeout: 8s}}",
         f"{HTTP}/common_http_protocol_options/idle_timeout", "8s"),
        ("GRPC", "connectionPool: {http: {http2KeepAlive: {interval: 9s, timeout: 2s}, maxConcurrentStreams: 7}}",
         f"{HTTP}/explicit_http_config/http2_protocol_options",
         {"connection_keepalive": {"interval": "9s", "timeout": "2s"}, "max_concurrent_streams": 7}),
        ("HTTP", "connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: DO_NOT_UPGRADE}}",
         f"{HTTP}/use_downstream_protocol_config", {"http_protocol_options": {}, "http2_protocol_options": {}}),
        ("HTTP", "retryBudget: {}", f"{LIMITS}/retry_budget",
         {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}),
        ("HTTP", "retryBudget: {percent: 1.5, minRetryConcurrency: 9}", f"{LIMITS}/retry_budget",
         {"budget_percent": {"value": 1.5}, "min_retry_concurrency": 9}),
        ("HTTP", "loadBalancer: {simple: PASSTHROUGH}", "type", "ORIGINAL_DST"),
        ("HTTP", "loadBalancer: {simple: PASSTHROUGH}", "lb_policy", "CLUSTER_PROVIDED"),
        ("HTTP", "loadBalancer: {simple: PASSTHROUGH}", "eds_cluster_config", None),
        ("HTTP", "loadBalancer: {simple: ROUND_ROBIN, warmupDurationSecs: 9s}", "round_robin_lb_config",
         {"slow_start_config": {"slow_start_window": "9s"}}),
        ("HTTP", "loadBalancer: {warmup: {duration: 9s, minimumPercent: 4, aggression: 2}}",
         "least_request_lb_config/slow_start_config",
         {"slow_start_window": "9s", "min_weight_percent": {"value": 4.0},
          "aggression": {"default_value": 2.0, "runtime_key": "("}}),
        ("HTTP", "loadBalancer: {simple: RANDOM, warmup: {duration: 9s}}", "least_request_lb_config", None),
        ("HTTP", "outlierDetection: {outlierDetectionHttpErrorCodes: [429, 429, 999]}",
         f"{HTTP}/outlier_detection/error_matcher/http_response_headers_match/headers/0/string_match/exact", "429"),
        ("HTTP", "outlierDetection: {outlierDetectionHttpErrorCodes: [429, 503]}",
         f"{HTTP}/outlier_detection/error_matcher/or_match/rules/1/http_response_headers_match/headers/0/name",
         ":status"),
        ("TCP", "proxyProtocol: {version: V2}", "transport_socket_matches/1/transport_socket/typed_config/config",
         {"version": "V2"}),
        ("TCP", "proxyProtocol: {version: V1}, tls: {mode: DISABLE}",
         "transport_socket/typed_config/transport_socket/name", "envoy.transport_sockets.raw_buffer"),
        ("TCP", "tls: {mode: SIMPLE, sni: x.io, caCrl: /crl.pem}",
         "transport_socket/typed_config/common_tls_context/combined_validation_context/default_validation_context/crl",
         {"filename": "/crl.pem"}),
        ("TCP", "tls: {mode: SIMPLE, insecureSkipVerify: true}",
         "transport_socket/typed_config/common_tls_context/validation_context", {}),
        ("TCP", "tls: {mode: ISTIO_MUTUAL, subjectAltNames: [x.io, 'spiffe://x/y', 10.0.0.1, a@x.io]}",
         "transport_socket/typed_config/common_tls_context/combined_validation_context/default_validation_context/"
         "match_typed_subject_alt_names",
         [{"san_type": kind, "matcher": {"exact": name}} for kind, name in (
             ("DNS", "x.io"), ("URI", "spiffe://x/y"), ("IP_ADDRESS", "10.0.0.1"), ("EMAIL", "a@x.io"))]),
    ],
)  # fmt: skip
def test_a_field_of_a_rule(
    protocol: str, policy: str, path: str, expected: Any, validate: Callable[[Compiled], None]
) -> None:
    found = compiled(service(protocol), rule(policy))
    assert part(as_dict(found.clusters[NAME]), path) == expected
    if "caCrl" not in policy:  # Envoy reads the file at once
        validate(found)


@pytest.mark.parametrize(
    ("mesh", "policy", "path", "expected"),
    [
        ("tcpKeepalive: {time: 9s, probes: 2}", "", "upstream_connection_options/tcp_keepalive",
         {"keepalive_time": 9, "keepalive_probes": 2}),
        ("tcpKeepalive: {time: 9s, probes: 2}", "connectionPool: {tcp: {tcpKeepalive: {probes: 5}}}",
         "upstream_connection_options/tcp_keepalive", {"keepalive_time": 9, "keepalive_probes": 5}),
        ("", "connectionPool: {tcp: {tcpKeepalive: {}}}", "upstream_connection_options", {"tcp_keepalive": {}}),
        ("defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}", "", f"{LIMITS}/max_connections", 9),
        ("defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}",
         "connectionPool: {tcp: {maxConnections: 3}}", f"{LIMITS}/max_connections", 3),
        ("defaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 9}}", "",
         "outlier_detection/consecutive_5xx", 9),
        ("outboundClusterStatName: '%SERVICE_FQDN%_%SERVICE_PORT%_%SUBSET_NAME%x'", "", "alt_stat_name", f"{HOST}_80_x;"),
        ("", "", "alt_stat_name", f"{NAME};"),
        ("tlsDefaults: {ecdhCurves: [P-256]}", "tls: {mode: SIMPLE, sni: x.io}",
         "transport_socket/typed_config/common_tls_context/tls_params/ecdh_curves", ["P-256"]),
    ],
)  # fmt: skip
def test_what_the_mesh_says(
    mesh: str, policy: str, path: str, expected: Any, validate: Callable[[Compiled], None]
) -> None:
    found = compiled(mesh_of(mesh), service(), rule(policy))
    assert part(as_dict(found.clusters[NAME]), path) == expected
    validate(found)


DNS = service(spec="resolution: DNS", endpoints="{address: a.example.com}")


@pytest.mark.parametrize(
    ("addresses", "family", "sources"),
    [
        ("10.0.0.9", "V4_ONLY", ["127.0.0.6"]),
        ("2001:db8::9", "V6_ONLY", ["::6"]),
        ("10.0.0.9,2001:db8::9", "V4_ONLY", ["127.0.0.6", "::6"]),
    ],
)
def test_a_workload_speaks_its_own_versions_of_ip(
    addresses: str, family: str, sources: list[str], validate: Callable[[Compiled], None]
) -> None:
    found = compiled(DNS, proxy=make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS=addresses))
    assert part(as_dict(found.clusters[NAME]), "cluster_type/typed_config/dns_lookup_family") == family
    bound = as_dict(found.clusters["InboundPassthroughCluster"])["upstream_bind_config"]
    extra = [each["address"]["address"] for each in bound.get("extra_source_addresses", ())]
    assert [bound["source_address"]["address"], *extra] == sources
    validate(found)


@pytest.mark.parametrize("protocol", ["HTTP", "TLS"])
@pytest.mark.parametrize(
    ("addresses", "cache", "family"), [("10.0.0.9", "dfp", "V4_ONLY"), ("2001:db8::9", "dfp_v6", "V6_ONLY")]
)
def test_names_that_callers_ask_for_are_resolved_in_them_too(
    protocol: str, addresses: str, cache: str, family: str, validate: Callable[[Compiled], None]
) -> None:
    """The filter's cache is the cluster's: Envoy refuses two of one name that differ."""
    text = service(protocol, "resolution: DYNAMIC_DNS", "")
    found = compiled(text, proxy=make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS=addresses))
    config = as_dict(found.clusters[NAME])["cluster_type"]["typed_config"]
    assert config["dns_cache_config"] == {"name": cache, "dns_lookup_family": family}
    validate(found)


OWN = service(endpoints="{address: 127.0.1.1, ports: {p: 8080}}")
SIDECAR = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
"""
TOP = "  inboundConnectionPool: {tcp: {maxConnections: 4}, http: {maxRetries: 5}}\n"
INGRESS = "  ingress: [{port: {number: 8080, name: p, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'%s}]\n"


@pytest.mark.parametrize(
    ("case", "more", "expected"),
    [
        ("nothing is said", "", (2**32 - 1, 2**32 - 1)),
        ("a rule for callers counts here too", rule("connectionPool: {tcp: {maxConnections: 3}}"), (3, 2**32 - 1)),
        ("its settings of the port replace the others",
         rule("connectionPool: {tcp: {maxConnections: 3}}, portLevelSettings: [{port: {number: 80}}]"),
         (2**32 - 1, 2**32 - 1)),
        ("one for some callers does not",
         rule("connectionPool: {tcp: {maxConnections: 3}}", selector="app: x"), (2**32 - 1, 2**32 - 1)),
        ("the Sidecar's own go before", rule("connectionPool: {tcp: {maxConnections: 3}}") + SIDECAR + TOP, (4, 5)),
        ("and those of a way in before these", SIDECAR + TOP + INGRESS % ", connectionPool: {tcp: {maxConnections: 6}}",
         (6, 2**32 - 1)),
        ("which need not have any", SIDECAR + TOP + INGRESS % "", (4, 5)),
    ],
)  # fmt: skip
def test_what_limits_calls_that_come_in(
    case: str, more: str, expected: tuple[int, int], validate: Callable[[Compiled], None]
) -> None:
    found = compiled(OWN, more, proxy=make_proxy("a", INTERCEPTION_MODE="REDIRECT", LABELS={"app": "x"}))
    limits = part(as_dict(found.clusters["inbound|8080||"]), LIMITS)
    assert (limits["max_connections"], limits["max_retries"]) == expected, case
    validate(found)


@pytest.mark.parametrize(
    ("mesh", "kind", "place"),
    [
        ("", "ORIGINAL_DST", None),
        ("inboundTrafficPolicy: {mode: LOCALHOST}", "STATIC", {"address": "127.0.0.1", "port_value": 8080}),
    ],
)
def test_where_an_intercepted_application_is_dialled(mesh: str, kind: str, place: Any) -> None:
    found = as_dict(
        compiled(mesh_of(mesh), OWN, proxy=make_proxy("a", INTERCEPTION_MODE="REDIRECT")).clusters["inbound|8080||"]
    )
    at = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address"
    assert found["type"] == kind
    assert (part(found, at) if place else None) == place
    assert ("cleanup_interval" in found) is (kind == "ORIGINAL_DST")


TCP_ROUTE = f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v, namespace: default}}
spec:
  hosts: [{HOST}]
  tcp: [{{route: [{{destination: {{host: {HOST}, subset: one}}}}]}}]
"""


@pytest.mark.parametrize(
    ("policy", "subset", "expected"),
    [
        ("", "", None),
        ("tunnel: {targetHost: x.io, targetPort: 443}", "", {"hostname": "x.io:443"}),
        ("tunnel: {protocol: POST, targetHost: '::1', targetPort: 443}", "", {"hostname": "[::1]:443", "use_post": True}),
        ("tunnel: {targetHost: x.io, targetPort: 443}", "tunnel: {targetHost: y.io, targetPort: 1}",
         {"hostname": "y.io:1"}),
    ],
)  # fmt: skip
def test_connections_that_are_led_on(
    policy: str, subset: str, expected: Any, validate: Callable[[Compiled], None]
) -> None:
    subsets = f"{{name: one, labels: {{v: one}}, trafficPolicy: {{{subset}}}}}"
    found = compiled(service("TCP"), rule(policy, subsets=subsets), TCP_ROUTE)
    listener = as_dict(found.listeners["10.1.1.1_80"])
    chain = (*listener.get("filter_chains", ()), listener.get("default_filter_chain"))[0]
    assert part(chain, "filters/0/typed_config/tunneling_config") == expected
    validate(found)


def test_attributes_of_a_cookie() -> None:
    hashing = LoadBalancerSettings.ConsistentHashLB()
    hashing.http_cookie.name = "c"
    hashing.http_cookie.attributes.add(name="SameSite", value="Lax")
    policy = request_hash(hashing)
    assert policy is not None
    assert as_dict(policy) == {"cookie": {"name": "c", "attributes": [{"name": "SameSite", "value": "Lax"}]}}


@pytest.mark.parametrize(
    ("text", "exists"),
    [
        (DNS, True),
        (DNS + rule("", subsets="{name: one, labels: {v: one}}"), False),
        (service("TLS", "resolution: DYNAMIC_DNS", ""), True),
        (service("TCP", "resolution: DYNAMIC_DNS", ""), False),
    ],
)
def test_there_is_no_cluster_of_nobody(text: str, exists: bool) -> None:
    subset = "one" if "subsets: [{" in text else ""
    assert (f"outbound|80|{subset}|{HOST}" in compiled(text).clusters) is exists


@pytest.mark.parametrize(
    ("policy", "path", "expected"),
    [
        ("", "transport_socket_matches/0/transport_socket/typed_config/sni", f"outbound_.80_._.{HOST}"),
        ("tls: {mode: ISTIO_MUTUAL, sni: x.io}", "transport_socket/typed_config/sni", "x.io"),
        ("tls: {mode: ISTIO_MUTUAL}", "transport_socket/typed_config/sni", None),
        ("tls: {mode: DISABLE}", "transport_socket", None),
    ],
)
def test_a_certificate_of_the_callers_own(policy: str, path: str, expected: str | None) -> None:
    files = {"TLS_CLIENT_CERT_CHAIN": "/c", "TLS_CLIENT_KEY": "/k", "TLS_CLIENT_ROOT_CERT": "/r"}
    cluster = as_dict(compiled(service(), rule(policy), proxy=make_proxy("client", **files)).clusters[NAME])
    assert part(cluster, path) == expected
    if "transport_socket" in cluster or "transport_socket_matches" in cluster:
        at = path.rpartition("/")[0] + "/common_tls_context/tls_certificate_sds_secret_configs/0/name"
        assert part(cluster, at) == "file-cert:/c~/k"
