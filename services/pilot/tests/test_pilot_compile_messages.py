"""The messages that stand in every resource: connection managers, logs, TLS contexts, sources, names."""

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile import names
from flotilla_pilot.compile.access_log import JSON_FORMAT, TEXT_FORMAT, access_logs, unmatched_logs
from flotilla_pilot.compile.endpoints import socket_address, workload_name
from flotilla_pilot.compile.gateway_tls import gateway_server
from flotilla_pilot.compile.http_manager import GATEWAY, INBOUND, OUTBOUND, Manner, Side, http_manager
from flotilla_pilot.compile.intercepted import virtual_outbound
from flotilla_pilot.compile.onward import PASSTHROUGH
from flotilla_pilot.compile.sources import ads, sds
from flotilla_pilot.compile.special_clusters import black_hole, forward_proxy, passthrough
from flotilla_pilot.compile.tls import MESH_CIPHERS, mesh_client, mesh_server
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.services import Endpoint
from flotilla_pilot.testing.meshes import Mesh, as_dict
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings


def options(spec: str = "accessLogFile: /dev/stdout") -> MeshOptions:
    return Mesh(f"kind: MeshConfig\nspec: {{{spec}}}").snapshot.mesh


def manager(side: Side, manner: Manner = Manner(), mesh: MeshOptions | None = None) -> dict[str, Any]:  # noqa: B008
    built = as_dict(http_manager("prefix;", side, mesh or options(), "table", manner))
    assert built["name"] == "envoy.filters.network.http_connection_manager"
    found: dict[str, Any] = built["typed_config"]
    return found


@pytest.mark.parametrize(
    ("side", "remote", "certificates", "shown"),
    [
        (OUTBOUND, False, None, None),
        (INBOUND, False, "APPEND_FORWARD", {"subject": True, "uri": True, "dns": True}),
        (GATEWAY, True, "SANITIZE_SET", {"subject": True, "uri": True, "dns": True, "cert": True}),
    ],
)
def test_who_is_believed(side: Side, remote: bool, certificates: str | None, shown: dict[str, bool] | None) -> None:
    found = manager(side)
    assert found["use_remote_address"] is remote
    assert found.get("forward_client_cert_details") == certificates
    assert found.get("set_current_client_cert_details") == shown


@pytest.mark.parametrize("side", [OUTBOUND, INBOUND, GATEWAY])
def test_what_all_have(side: Side) -> None:
    found = manager(side)
    assert found["stat_prefix"] == "prefix;"
    assert found.get("server_name") == (None if side is OUTBOUND else "istio-envoy")
    assert found["proxy_100_continue"] is True
    assert found["normalize_path"] is True
    assert found["stream_idle_timeout"] == "0s"
    assert found["rds"] == {"route_config_name": "table", "config_source": as_dict(ads())}
    assert found["upgrade_configs"] == [{"upgrade_type": "websocket"}]
    assert [each["name"].rpartition(".")[2] for each in found["http_filters"]] == [
        "grpc_stats",
        "fault",
        "cors",
        "router",
    ]


@pytest.mark.parametrize(
    ("manner", "http10", "upgrades", "filters"),
    [
        (Manner(), False, ["websocket"], ["grpc_stats", "fault", "cors", "router"]),
        (Manner(tunnels=True), True, ["websocket"], ["grpc_stats", "fault", "cors", "router"]),
        (
            Manner(forwards=True),
            False,
            ["websocket"],
            ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"],
        ),
        (
            Manner(tunnels=True, forwards=True),
            True,
            ["websocket", "CONNECT"],
            ["grpc_stats", "fault", "cors", "dynamic_forward_proxy", "router"],
        ),
    ],
)
def test_an_explicit_proxy_takes_more(manner: Manner, http10: bool, upgrades: list[str], filters: list[str]) -> None:
    found = manager(OUTBOUND, manner)
    assert found.get("http_protocol_options", {}).get("accept_http_10", False) is http10
    assert [each["upgrade_type"] for each in found["upgrade_configs"]] == upgrades
    assert [each["name"].rpartition(".")[2] for each in found["http_filters"]] == filters


def test_the_forwarding_filter_and_cluster_share_a_cache() -> None:
    (filter_config,) = (
        each["typed_config"]
        for each in manager(OUTBOUND, Manner(forwards=True))["http_filters"]
        if each["name"].endswith("dynamic_forward_proxy")
    )
    cluster = as_dict(forward_proxy(options()))
    assert filter_config["dns_cache_config"] == cluster["cluster_type"]["typed_config"]["dns_cache_config"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("accessLogFile: /dev/stdout", {"text_format_source": {"inline_string": TEXT_FORMAT}}),
        (
            "accessLogFile: /x, accessLogFormat: '%PROTOCOL%'",
            {"text_format_source": {"inline_string": "%PROTOCOL%\n"}},
        ),
        ("accessLogFile: /x, accessLogEncoding: JSON", {"json_format": JSON_FORMAT, "json_format_options": {}}),
        (
            """accessLogFile: /x, accessLogEncoding: JSON, accessLogFormat: '{"p": "%PROTOCOL%"}'""",
            {"json_format": {"p": "%PROTOCOL%"}, "json_format_options": {}},
        ),
        ("accessLogFile: /x, accessLogFormat: '%NOBODY%'", {"text_format_source": {"inline_string": TEXT_FORMAT}}),
    ],
)
def test_access_logs(spec: str, expected: dict[str, Any]) -> None:
    (log,) = access_logs(options(spec))
    assert as_dict(log)["typed_config"]["log_format"] == expected
    assert "filter" not in as_dict(log)


def test_the_way_out_logs_what_no_chain_takes() -> None:
    assert list(virtual_outbound(PASSTHROUGH, options()).access_log) == unmatched_logs(options())
    assert not virtual_outbound(PASSTHROUGH, options("trustDomain: x")).access_log


def test_without_a_file_there_is_no_log() -> None:
    assert access_logs(options("trustDomain: x")) == []
    assert unmatched_logs(options("trustDomain: x")) == []


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        (["spiffe://a/x", "spiffe://a/y"], [{"exact": "spiffe://a/x"}, {"exact": "spiffe://a/y"}]),
        ([], []),
    ],
)
def test_whom_a_caller_trusts(identities: list[str], expected: list[dict[str, str]]) -> None:
    context = as_dict(mesh_client("sni", identities, ["istio"]))["typed_config"]
    validation = context["common_tls_context"]["combined_validation_context"]
    sans = validation["default_validation_context"].get("match_typed_subject_alt_names", [])
    assert [each["matcher"] for each in sans] == expected
    assert {each["san_type"] for each in sans} <= {"URI"}
    assert (context["sni"], validation["validation_context_sds_secret_config"]["name"]) == ("sni", "ROOTCA")


def test_both_sides_of_the_mesh_use_the_identity_of_the_agent() -> None:
    for socket in (mesh_client("s", [], []), mesh_server(options(), [])):
        common = as_dict(socket)["typed_config"]["common_tls_context"]
        (secret,) = common["tls_certificate_sds_secret_configs"]
        assert secret == {"name": "default", "sds_config": as_dict(sds())}
        parameters = common["tls_params"]
        assert (parameters["tls_minimum_protocol_version"], parameters["tls_maximum_protocol_version"]) == (
            "TLSv1_2",
            "TLSv1_3",
        )


@pytest.mark.parametrize(
    ("spec", "least", "suites"),
    [
        ("", "TLSv1_2", list(MESH_CIPHERS)),
        ("meshMTLS: {minProtocolVersion: TLSV1_3}", "TLSv1_3", list(MESH_CIPHERS)),
        ("meshMTLS: {cipherSuites: [AES256-GCM-SHA384, NOBODY]}", "TLSv1_2", ["AES256-GCM-SHA384"]),
        ("meshMTLS: {cipherSuites: [NOBODY]}", "TLSv1_2", list(MESH_CIPHERS)),
    ],
)
def test_what_servers_of_the_mesh_take(spec: str, least: str, suites: list[str]) -> None:
    parameters = as_dict(mesh_server(options(spec), []))["typed_config"]["common_tls_context"]["tls_params"]
    assert (parameters["tls_minimum_protocol_version"], parameters["cipher_suites"]) == (least, suites)


@pytest.mark.parametrize(
    ("settings", "certificate", "authority", "required"),
    [
        ({"mode": "SIMPLE", "credentialName": "c"}, "kubernetes://c", None, False),
        ({"mode": "SIMPLE", "serverCertificate": "/c", "privateKey": "/k"}, "file-cert:/c~/k", None, False),
        ({"mode": "MUTUAL", "credentialName": "c"}, "kubernetes://c", "kubernetes://c-cacert", True),
        (
            {"mode": "MUTUAL", "serverCertificate": "/c", "privateKey": "/k", "caCertificates": "/r"},
            "file-cert:/c~/k",
            "file-root:/r",
            True,
        ),
        ({"mode": "OPTIONAL_MUTUAL", "credentialName": "c"}, "kubernetes://c", "kubernetes://c-cacert", False),
        ({"mode": "ISTIO_MUTUAL"}, "default", "ROOTCA", True),
        ({"mode": "SIMPLE"}, "default", None, False),
        ({"mode": "SIMPLE", "credentialName": "kubernetes-gateway://n/c"}, "kubernetes-gateway://n/c", None, False),
        (
            {"mode": "MUTUAL", "credentialName": "c", "caCertCredentialName": "r-cacert"},
            "kubernetes://c",
            "kubernetes://r-cacert",
            True,
        ),
        ({"mode": "MUTUAL", "credentialNames": ["c"]}, "kubernetes://c", "kubernetes://c-cacert", True),
    ],
)
def test_what_a_gateway_shows_and_asks_for(
    settings: dict[str, Any], certificate: str, authority: str | None, required: bool
) -> None:
    context = as_dict(gateway_server(json_format.ParseDict(settings, ServerTLSSettings()), options()))["typed_config"]
    common = context["common_tls_context"]
    assert [each["name"] for each in common["tls_certificate_sds_secret_configs"]] == [certificate]
    combined = common.get("combined_validation_context", {})
    assert combined.get("validation_context_sds_secret_config", {}).get("name") == authority
    assert context["require_client_certificate"] is required


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"credentialNames": ["a", "b", "c"], "credentialName": "d"}, ["kubernetes://a", "kubernetes://b"]),
        (
            {"tlsCertificates": [{"serverCertificate": f"/c{each}", "privateKey": f"/k{each}"} for each in range(3)]},
            ["file-cert:/c0~/k0", "file-cert:/c1~/k1"],
        ),
    ],
)
def test_a_gateway_shows_two_certificates_at_most(settings: dict[str, Any], names: list[str]) -> None:
    given = json_format.ParseDict({"mode": "SIMPLE", **settings}, ServerTLSSettings())
    common = as_dict(gateway_server(given, options()))["typed_config"]["common_tls_context"]
    assert [each["name"] for each in common["tls_certificate_sds_secret_configs"]] == names


@pytest.mark.parametrize(("source", "limit"), [(ads(), "0s"), (sds(), "0s"), (sds(5), "5s")])
def test_sources_are_of_version_3_and_wait_as_told(source: Any, limit: str) -> None:
    found = as_dict(source)
    assert (found["resource_api_version"], found["initial_fetch_timeout"]) == ("V3", limit)


def test_secrets_come_over_the_agents_cluster() -> None:
    (service,) = as_dict(sds())["api_config_source"]["grpc_services"]
    assert service == {"envoy_grpc": {"cluster_name": "sds-grpc"}}


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.0.0.1", 80, {"socket_address": {"address": "10.0.0.1", "port_value": 80}}),
        ("fd00::1", 80, {"socket_address": {"address": "fd00::1", "port_value": 80}}),
        ("unix:///run/x", 80, {"pipe": {"path": "/run/x"}}),
    ],
)
def test_addresses(address: str, port: int, expected: dict[str, Any]) -> None:
    assert as_dict(socket_address(address, port)) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "w;ns;w;;Kubernetes"),
        ({"app": "a", "version": "v1"}, "w;ns;a;v1;Kubernetes"),
        ({"app": "a", "app.kubernetes.io/name": "b"}, "w;ns;b;;Kubernetes"),
        (
            {
                "app": "a",
                "service.istio.io/canonical-name": "c",
                "service.istio.io/canonical-revision": "r",
                "version": "v",
            },
            "w;ns;c;r;Kubernetes",
        ),
    ],
)
def test_the_workload_of_an_endpoint(labels: dict[str, str], expected: str) -> None:
    assert workload_name(Endpoint("10.0.0.1", "w", "ns", labels=FrozenMap(labels)), "Kubernetes") == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (names.outbound_cluster(80, "v1", "a.io"), "outbound|80|v1|a.io"),
        (names.outbound_cluster(80, "", "a.io"), "outbound|80||a.io"),
        (names.outbound_sni(80, "v1", "a.io"), "outbound_.80_.v1_.a.io"),
        (names.inbound_cluster(80), "inbound|80||"),
        (names.listener("127.0.0.1", 80), "127.0.0.1_80"),
        (names.http_gateway_routes(80, ""), "http.80"),
        (names.http_gateway_routes(80, "127.0.0.1"), "http.80.127.0.0.1"),
        (names.https_gateway_routes(443, "p", "g", "ns", ""), "https.443.p.g.ns"),
        (names.https_gateway_routes(443, "p", "g", "ns", "127.0.0.1"), "https.443.p.g.ns.127.0.0.1"),
        (
            names.config_path("ns", "virtual-service", "r"),
            "/apis/networking.istio.io/v1/namespaces/ns/virtual-service/r",
        ),
    ],
)
def test_names_are_istios(found: str, expected: str) -> None:
    assert found == expected


def test_the_clusters_that_every_proxy_has() -> None:
    mesh = options("connectTimeout: 3s")
    hole, through, forward = (as_dict(build(mesh)) for build in (black_hole, passthrough, forward_proxy))
    assert (hole["name"], hole["type"]) == ("BlackHoleCluster", "STATIC")
    assert (through["name"], through["type"], through["lb_policy"]) == (
        "PassthroughCluster",
        "ORIGINAL_DST",
        "CLUSTER_PROVIDED",
    )
    assert (forward["name"], forward["lb_policy"]) == ("dfp", "CLUSTER_PROVIDED")
    assert {each["connect_timeout"] for each in (hole, through, forward)} == {"3s"}
