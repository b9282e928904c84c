"""Clusters and endpoints: who may answer, with which TLS, found in which way, within which limits."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.compile.load_balancing import is_table_size
from flotilla_pilot.compile.traffic_policy import port_policy, speaks_http2
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ConnectionPoolSettings
from flotilla_shared.model.protocols import Protocol

PROXY = make_proxy("client")
NAME = "outbound|80||a.default.svc.cluster.local"


def service(
    protocol: str = "HTTP", spec: str = "location: MESH_INTERNAL, resolution: STATIC", endpoints: str = ""
) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: a, namespace: default}}
spec: {{hosts: [a.default.svc.cluster.local], ports: [{{number: 80, name: p, protocol: {protocol}}}], {spec}{endpoints}}}
"""


ENDPOINTS = ", endpoints: [{address: 10.0.0.1, serviceAccount: one}, {address: 10.0.0.2, serviceAccount: two}]"


def rule(policy: str = "", subsets: str = "") -> str:
    traffic = f", trafficPolicy: {{{policy}}}" if policy else ""
    named = f", subsets: [{subsets}]" if subsets else ""
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: a, namespace: default}}\nspec: {{host: a{traffic}{named}}}\n"
    )


def cluster_of(text: str, name: str = NAME) -> dict[str, Any]:
    return as_dict(Mesh(text).compile(PROXY).clusters[name])


def tls_of(cluster: dict[str, Any]) -> dict[str, Any]:
    """The TLS context of the mesh in the socket matches."""
    (istio,) = (each for each in cluster["transport_socket_matches"] if each["name"] == "tlsMode-istio")
    context: dict[str, Any] = istio["transport_socket"]["typed_config"]
    return context


def names_of(context: dict[str, Any]) -> list[dict[str, str]]:
    combined = context["common_tls_context"]["combined_validation_context"]
    return [each["matcher"] for each in combined["default_validation_context"].get("match_typed_subject_alt_names", [])]


@pytest.mark.parametrize(
    ("protocol", "alpn"),
    [
        ("HTTP", ["istio-http/1.1", "istio", "http/1.1"]),
        ("GRPC", ["istio-h2", "istio", "h2"]),
        ("HTTP2", ["istio-h2", "istio", "h2"]),
        ("TCP", ["istio"]),
        ("TLS", ["istio"]),
        ("''", ["istio"]),
    ],
)
def test_the_alpn_says_what_the_connection_carries(protocol: str, alpn: list[str]) -> None:
    context = tls_of(cluster_of(service(protocol, endpoints=ENDPOINTS)))
    assert context["common_tls_context"]["alpn_protocols"] == alpn
    assert context["sni"] == "outbound_.80_._.a.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            ENDPOINTS,
            [
                {"exact": "spiffe://cluster.local/ns/default/sa/one"},
                {"exact": "spiffe://cluster.local/ns/default/sa/two"},
            ],
        ),
        (
            ", endpoints: [{address: 10.0.0.1, serviceAccount: one}], subjectAltNames: ['spiffe://other/x']",
            [{"exact": "spiffe://cluster.local/ns/default/sa/one"}, {"exact": "spiffe://other/x"}],
        ),
        (", endpoints: [{address: 10.0.0.1}]", []),
    ],
)
def test_only_the_services_own_accounts_may_answer(extra: str, expected: list[dict[str, str]]) -> None:
    assert names_of(tls_of(cluster_of(service(endpoints=extra)))) == expected


def test_a_subset_trusts_all_accounts_of_its_service() -> None:
    text = service(endpoints=ENDPOINTS) + rule(subsets="{name: v1, labels: {version: v1}}")
    assert len(names_of(tls_of(cluster_of(text, "outbound|80|v1|a.default.svc.cluster.local")))) == 2


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("outside the mesh", service(spec="location: MESH_EXTERNAL, resolution: STATIC", endpoints=ENDPOINTS)),
        ("switched off", "kind: MeshConfig\nspec: {enableAutoMtls: false}\n" + service(endpoints=ENDPOINTS)),
        ("ruled out", service(endpoints=ENDPOINTS) + rule("tls: {mode: DISABLE}")),
        ("ordered", service(endpoints=ENDPOINTS) + rule("tls: {mode: ISTIO_MUTUAL}")),
    ],
)
def test_where_tls_is_not_found_out_by_endpoint(case: str, text: str) -> None:
    cluster = cluster_of(text)
    assert "transport_socket_matches" not in cluster, case
    assert ("transport_socket" in cluster) is (case == "ordered")


@pytest.mark.parametrize(
    ("settings", "names", "by_request", "secrets"),
    [
        ("mode: SIMPLE", ["one", "two"], (True, True), ["file-root:system"]),
        ("mode: SIMPLE, sni: x.io", ["one", "two"], (False, False), ["file-root:system"]),
        (
            "mode: SIMPLE, caCertificates: /ca.pem, subjectAltNames: [y.io]",
            ["y.io"],
            (True, False),
            ["file-root:/ca.pem"],
        ),
        ("mode: SIMPLE, insecureSkipVerify: true", [], (True, False), []),
        (
            "mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /r",
            ["one", "two"],
            (True, True),
            ["file-cert:/c~/k", "file-root:/r"],
        ),
        (
            "mode: MUTUAL, credentialName: mine, sni: x.io, subjectAltNames: [y.io]",
            ["y.io"],
            (False, False),
            ["kubernetes://mine", "kubernetes://mine-cacert"],
        ),
    ],
)
def test_tls_to_the_outside(
    settings: str,
    names: list[str],
    by_request: tuple[bool, bool],
    secrets: list[str],
    validate: Callable[[Compiled], None],
) -> None:
    """Whom a request names is asked for, and held to its name, where the rule names nobody."""
    compiled = Mesh(service(endpoints=ENDPOINTS) + rule(f"tls: {{{settings}}}")).compile(PROXY)
    validate(compiled)
    cluster = as_dict(compiled.clusters[NAME])
    context = cluster["transport_socket"]["typed_config"]
    assert context.get("sni", "") == ("x.io" if "x.io" in settings else "")
    http = next(iter(cluster.get("typed_extension_protocol_options", {}).values()), {})
    asked = http.get("upstream_http_protocol_options", {})
    assert (asked.get("auto_sni", False), asked.get("auto_san_validation", False)) == by_request
    common = context["common_tls_context"]
    found = [each["name"] for each in common.get("tls_certificate_sds_secret_configs", [])]
    if "combined_validation_context" in common:
        assert [
            each["exact"].removeprefix("spiffe://cluster.local/ns/default/sa/") for each in names_of(context)
        ] == names
        found.append(common["combined_validation_context"]["validation_context_sds_secret_config"]["name"])
    assert found == secrets


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("resolution: STATIC", "EDS"),
        ("resolution: DNS", "envoy.clusters.dns"),
        ("resolution: DNS_ROUND_ROBIN", "envoy.clusters.dns"),
        ("resolution: NONE", "envoy.clusters.dynamic_forward_proxy"),
        ("resolution: DYNAMIC_DNS", "envoy.clusters.dynamic_forward_proxy"),
    ],
)
def test_how_endpoints_are_found(spec: str, kind: str, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service(spec=spec)).compile(PROXY)
    cluster = as_dict(compiled.clusters[NAME])
    assert (cluster.get("cluster_type") or {"name": cluster.get("type")})["name"] == kind
    validate(compiled)


@pytest.mark.parametrize(
    ("protocol", "mode", "kind"),
    [("HTTP", "REDIRECT", "ORIGINAL_DST"), ("TCP", "NONE", "ORIGINAL_DST"), ("TCP", "REDIRECT", "ORIGINAL_DST")],
)
def test_connections_that_know_where_they_went_go_there(protocol: str, mode: str, kind: str) -> None:
    text = service(protocol, "resolution: NONE")
    compiled = Mesh(text).compile(make_proxy("client", INTERCEPTION_MODE=mode))
    cluster = as_dict(compiled.clusters[NAME])
    assert (cluster["type"], cluster["lb_policy"]) == (kind, "CLUSTER_PROVIDED")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", {"lb_policy": "LEAST_REQUEST"}),
        ("loadBalancer: {simple: ROUND_ROBIN}", {"lb_policy": None}),
        ("loadBalancer: {simple: RANDOM}", {"lb_policy": "RANDOM"}),
        ("loadBalancer: {simple: LEAST_CONN}", {"lb_policy": "LEAST_REQUEST"}),
        (
            "loadBalancer: {consistentHash: {httpHeaderName: x}}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "1024"}},
        ),
        (
            "loadBalancer: {consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 99999999}}}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "8388608"}},
        ),
        (
            "loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 65537}}}",
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "65537"}},
        ),
        (
            "loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 65536}}}",
            {"lb_policy": "MAGLEV", "maglev_lb_config": None},
        ),
        ("connectionPool: {tcp: {connectTimeout: 2s}}", {"connect_timeout": "2s"}),
        (
            "outlierDetection: {consecutive5xxErrors: 0}",
            {"outlier_detection": {"consecutive_5xx": 0, "enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0}},
        ),
        (
            "outlierDetection: {consecutiveErrors: 3}",
            {
                "outlier_detection": {
                    "consecutive_gateway_failure": 3,
                    "enforcing_consecutive_gateway_failure": 100,
                    "enforcing_consecutive_5xx": 0,
                    "enforcing_success_rate": 0,
                }
            },
        ),
        (
            "outlierDetection: {consecutiveGatewayErrors: 4, maxEjectionPercent: 200, minHealthPercent: 10,"
            "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, interval: 5s, baseEjectionTime: 9s}",
            {
                "outlier_detection": {
                    "consecutive_gateway_failure": 4,
                    "enforcing_consecutive_gateway_failure": 100,
                    "max_ejection_percent": 100,
                    "enforcing_success_rate": 0,
                    "enforcing_local_origin_success_rate": 0,
                    "split_external_local_origin_errors": True,
                    "consecutive_local_origin_failure": 2,
                    "enforcing_consecutive_local_origin_failure": 100,
                    "interval": "5s",
                    "base_ejection_time": "9s",
                },
                "common_lb_config": {"healthy_panic_threshold": {"value": 10.0}},
            },
        ),
    ],
)
def test_policies(policy: str, expected: dict[str, Any], validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(service(endpoints=ENDPOINTS) + rule(policy)).compile(PROXY)
    cluster = as_dict(compiled.clusters[NAME])
    assert {name: cluster.get(name) for name in expected} == expected
    validate(compiled)


UNLIMITED = 4294967295


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ("", (UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED)),
        ("connectionPool: {tcp: {maxConnections: 1}}", (1, UNLIMITED, UNLIMITED, UNLIMITED)),
        (
            "connectionPool: {http: {http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRetries: 4}}",
            (UNLIMITED, 2, 3, 4),
        ),
    ],
)
def test_every_limit_is_stated(pool: str, limits: tuple[int, ...]) -> None:
    (stated,) = cluster_of(service(endpoints=ENDPOINTS) + rule(pool))["circuit_breakers"]["thresholds"]
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    assert tuple(stated[name] for name in names) == limits


@pytest.mark.parametrize(
    ("protocol", "pool", "mesh", "expected"),
    [
        (Protocol.HTTP, "", False, False),
        (Protocol.HTTP, "", True, True),
        (Protocol.HTTP, "UPGRADE", False, True),
        (Protocol.HTTP, "DO_NOT_UPGRADE", True, False),
        (Protocol.GRPC, "DO_NOT_UPGRADE", False, True),
        (Protocol.TCP, "", True, False),
        (Protocol.TCP, "UPGRADE", False, True),
    ],
)
def test_who_speaks_http2(protocol: Protocol, pool: str, mesh: bool, expected: bool) -> None:
    settings = ConnectionPoolSettings()
    if pool:
        settings.http.h2_upgrade_policy = ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy.Value(pool)
    assert speaks_http2(protocol, settings, mesh) is expected


def policy_of(text: str, subset: str = "", port: int = 80) -> dict[str, Any]:
    found = Mesh(rule(*text.split(" | "))).snapshot.destination_rules
    merged = found.find("a.default.svc.cluster.local", "default", "default", PROXY.labels)
    policy = port_policy(merged.policy, merged.subset(subset) if subset else None, port)
    stated = {name: getattr(policy, name) for name in ("load_balancer", "connection_pool", "tls")}
    return {name: as_dict(each) for name, each in stated.items() if each is not None}


BASE = "loadBalancer: {simple: RANDOM}, tls: {mode: SIMPLE}"
PORTS = f"{BASE}, portLevelSettings: [{{port: {{number: 80}}, loadBalancer: {{simple: ROUND_ROBIN}}}}]"
SUBSET = "{name: v1, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}"


@pytest.mark.parametrize(
    ("text", "subset", "port", "expected"),
    [
        (BASE, "", 80, {"load_balancer": {"simple": "RANDOM"}, "tls": {"mode": "SIMPLE"}}),
        (PORTS, "", 80, {"load_balancer": {"simple": "ROUND_ROBIN"}}),
        (PORTS, "", 81, {"load_balancer": {"simple": "RANDOM"}, "tls": {"mode": "SIMPLE"}}),
        (f"{BASE} | {SUBSET}", "v1", 80, {"load_balancer": {"simple": "ROUND_ROBIN"}, "tls": {"mode": "SIMPLE"}}),
        (f"{PORTS} | {SUBSET}", "v1", 80, {"load_balancer": {"simple": "ROUND_ROBIN"}}),
    ],
)
def test_ports_replace_and_subsets_override(text: str, subset: str, port: int, expected: dict[str, Any]) -> None:
    assert policy_of(text, subset, port) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(0, False), (1, False), (2, True), (65537, True), (65536, False), (5000012, False)]
)
def test_what_is_a_table_size(number: int, expected: bool) -> None:
    assert is_table_size(number) is expected


def modes_of(text: str) -> dict[str, str]:
    """The tlsMode of each endpoint of the service."""
    (group,) = Mesh(text).compile(PROXY).endpoints[NAME].endpoints
    return {each.endpoint.address.socket_address.address: _mode(each) for each in group.lb_endpoints}


def _mode(endpoint: Any) -> str:
    held = endpoint.metadata.filter_metadata
    return held["envoy.transport_socket_match"]["tlsMode"] if "envoy.transport_socket_match" in held else ""


def peers(spec: str) -> str:
    return (
        "\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: p, namespace: default}}\nspec: {{{spec}}}\n"
    )


MIXED = (
    ", endpoints: [{address: 10.0.0.1, serviceAccount: one, labels: {app: a}}, {address: 10.0.0.2, labels: {app: b}}]"
)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("", {"10.0.0.1": "istio", "10.0.0.2": ""}),
        (peers("mtls: {mode: STRICT}"), {"10.0.0.1": "istio", "10.0.0.2": ""}),
        (peers("mtls: {mode: DISABLE}"), {"10.0.0.1": "", "10.0.0.2": ""}),
        (
            peers("selector: {matchLabels: {app: a}}, portLevelMtls: {80: {mode: DISABLE}}"),
            {"10.0.0.1": "", "10.0.0.2": ""},
        ),
        (
            peers("selector: {matchLabels: {app: a}}, portLevelMtls: {81: {mode: DISABLE}}"),
            {"10.0.0.1": "istio", "10.0.0.2": ""},
        ),
    ],
)
def test_an_endpoint_takes_tls_if_it_has_a_proxy_and_no_policy_forbids_it(extra: str, expected: dict[str, str]) -> None:
    assert modes_of(service(endpoints=MIXED) + extra) == expected


def test_endpoints_are_grouped_by_locality_and_weighed() -> None:
    text = service(
        endpoints=", endpoints: [{address: 10.0.0.1, locality: r/z2, weight: 3}, {address: 10.0.0.2, locality: r/z1},"
        "{address: 10.0.0.3, locality: r/z2}]"
    )
    groups = Mesh(text).compile(PROXY).endpoints[NAME].endpoints
    assert [(each.locality.region, each.locality.zone, each.load_balancing_weight.value) for each in groups] == [
        ("r", "z1", 1),
        ("r", "z2", 4),
    ]


def test_a_subset_holds_the_endpoints_with_its_labels() -> None:
    text = service(endpoints=MIXED) + rule(subsets="{name: b, labels: {app: b}}, {name: none, labels: {app: c}}")
    compiled = Mesh(text).compile(PROXY)

    def addresses(subset: str) -> list[str]:
        groups = compiled.endpoints[f"outbound|80|{subset}|a.default.svc.cluster.local"].endpoints
        return [each.endpoint.address.socket_address.address for group in groups for each in group.lb_endpoints]

    assert (addresses("b"), addresses("none")) == (["10.0.0.2"], [])


def test_an_endpoint_without_a_port_that_exists_is_left_out(validate: Callable[[Compiled], None]) -> None:
    text = service(endpoints=", endpoints: [{address: 10.0.0.1, ports: {p: 70000}}, {address: 10.0.0.2}]")
    compiled = Mesh(text).compile(PROXY)
    (group,) = compiled.endpoints[NAME].endpoints
    assert [each.endpoint.address.socket_address.address for each in group.lb_endpoints] == ["10.0.0.2"]
    validate(compiled)


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("connectionPool: {tcp: {connectTimeout: -1s}}", "refused-by-envoy"),
        ("outlierDetection: {interval: 0s}", "refused-by-envoy"),
        ("connectionPool: {http: {idleTimeout: -5s}}", "refused-by-envoy"),
        ("loadBalancer: {consistentHash: {httpHeaderName: ''}}", None),
        ("loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: -1s}}}", None),
    ],
)
def test_a_policy_that_envoy_would_refuse_harms_nobody(
    policy: str, code: str | None, validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(service(endpoints=ENDPOINTS) + rule(policy)).compile(PROXY)
    expected = [("default/a", code, "spec.trafficPolicy")] if code else []
    assert compiled.problems() == expected
    validate(compiled)
