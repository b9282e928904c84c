"""What the mesh configuration's Mixer fields do to a proxy, and that Envoy takes every combination."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_pilot.compile.resource import CLUSTER
from flotilla_pilot.model.mixer import MixerServer, mixer_options
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.static_attributes import service_attributes

POLICY = "istio-policy.istio-system.svc.cluster.local"
NAME = f"outbound|15004||{POLICY}"
GOLDEN = Path(__file__).parent / "golden"
WORKLOAD = (GOLDEN / "mixer-workload.in.yaml").read_text().partition("\n---\n")[2]
WAY_IN = (GOLDEN / "mixer-gateway.in.yaml").read_text().partition("\n---\n")[2]
LINES = {
    "check": f"  mixerCheckServer: {POLICY}:15004\n",
    "report": f"  mixerReportServer: {POLICY}:15004\n",
}

CHECK, TCP_CHECK = "envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz"
HTTP_REPORT, TCP_REPORT = "envoy.access_loggers.http_grpc", "envoy.access_loggers.tcp_grpc"


def mesh_with(*fields: str, without: tuple[str, ...] = ()) -> Mesh:
    """The mesh of the goldens, with further fields of the mesh configuration, or without a server."""
    text = WORKLOAD + "\n---\n" + WAY_IN
    for name in without:
        text = text.replace(LINES[name], "")
    return Mesh(
        text.replace("  outboundTrafficPolicy:", "".join(f"  {each}\n" for each in fields) + "  outboundTrafficPolicy:")
    )


def workload(mesh: Mesh) -> Compiled:
    return mesh.compile(make_proxy("ratings-v1", 6, LABELS={"app": "ratings", "version": "v1"}))


def gateway(mesh: Mesh) -> Compiled:
    return mesh.compile(make_proxy("ingressgateway", 100, "router", LABELS={"istio": "ingressgateway"}))


def named(tree: Any, name: str) -> Iterator[Any]:
    """Every part of a tree that has this name."""
    if isinstance(tree, dict):
        if tree.get("name") == name:
            yield tree
        for value in tree.values():
            yield from named(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from named(value, name)


def listener(compiled: Compiled, name: str) -> Any:
    return compiled.tree()["listeners"][name]


def places(compiled: Compiled, name: str) -> list[str]:
    """The listeners that have something of this name."""
    return sorted(each for each, tree in compiled.tree()["listeners"].items() if any(named(tree, name)))


IN_HTTP, IN_TCP, OUT_HTTP, OUT_TCP = "127.0.2.6_9080", "127.0.2.6_9090", "127.0.3.6_15002", "127.0.3.6_9090"

WHERE = [
    # fields, without, HTTP checks, TCP checks, HTTP reports, TCP reports
    ((), (), [IN_HTTP], [IN_TCP], [IN_HTTP, OUT_HTTP, "127.0.3.6_9080"], [IN_TCP, OUT_TCP]),
    (("disablePolicyChecks: true",), (), [], [], [IN_HTTP, OUT_HTTP, "127.0.3.6_9080"], [IN_TCP, OUT_TCP]),
    ((), ("check",), [], [], [IN_HTTP, OUT_HTTP, "127.0.3.6_9080"], [IN_TCP, OUT_TCP]),
    ((), ("report",), [IN_HTTP], [IN_TCP], [], []),
    (("disableMixerHttpReports: true",), (), [IN_HTTP], [IN_TCP], [], [IN_TCP, OUT_TCP]),
    (
        ("enableClientSidePolicyCheck: true",),
        (),
        [IN_HTTP, OUT_HTTP, "127.0.3.6_9080"],
        [IN_TCP],
        [IN_HTTP, OUT_HTTP, "127.0.3.6_9080"],
        [IN_TCP, OUT_TCP],
    ),
    ((), ("check", "report"), [], [], [], []),
]


@pytest.mark.parametrize(("fields", "without", "checks", "tcp_checks", "reports", "tcp_reports"), WHERE)
def test_where_mixer_is_asked_and_told(fields, without, checks, tcp_checks, reports, tcp_reports, validate):
    compiled = workload(mesh_with(*fields, without=without))
    assert places(compiled, CHECK) == sorted(checks)
    assert places(compiled, TCP_CHECK) == sorted(tcp_checks)
    assert places(compiled, HTTP_REPORT) == sorted(reports)
    assert places(compiled, TCP_REPORT) == sorted(tcp_reports)
    validate(compiled)


@pytest.mark.parametrize("fields", [(), ("policyCheckFailOpen: true",)])
def test_a_gateway_asks_and_tells(fields: tuple[str, ...], validate: Callable[[Compiled], None]) -> None:
    compiled = gateway(mesh_with(*fields))
    tree = listener(compiled, "127.0.0.1_8080")
    (check,) = named(tree, CHECK)
    assert check["typed_config"].get("failure_mode_allow", False) is bool(fields)
    assert check["typed_config"]["status_on_error"] == {"code": "ServiceUnavailable"}
    assert {"key": "x-flotilla-reporter", "value": "outbound"} in check["typed_config"]["grpc_service"][
        "initial_metadata"
    ]
    assert len(list(named(tree, HTTP_REPORT))) == 1
    validate(compiled)


TCP_WAY_IN = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: wires, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 9090, name: tcp, protocol: TCP}, bind: 127.0.0.1, hosts: ["*"]}
  - {port: {number: 9443, name: tls, protocol: TLS}, bind: 127.0.0.1, hosts: ["*"], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wires, namespace: default}
spec:
  hosts: ["*"]
  gateways: [wires]
  tcp: [{match: [{port: 9090}], route: [{destination: {host: store.default.svc.cluster.local}}]}]
  tls: [{match: [{sniHosts: [store.example.com]}], route: [{destination: {host: store.default.svc.cluster.local}}]}]
"""


@pytest.mark.parametrize("port", [9090, 9443])
def test_a_gateway_asks_about_connections(port: int, validate: Callable[[Compiled], None]) -> None:
    compiled = gateway(Mesh("\n---\n".join((WORKLOAD, TCP_WAY_IN))))
    (chain,) = listener(compiled, f"127.0.0.1_{port}")["filter_chains"]
    check, proxy = chain["filters"]
    assert (check["name"], proxy["name"]) == (TCP_CHECK, "envoy.filters.network.tcp_proxy")
    said = {each["key"]: each["value"] for each in check["typed_config"]["grpc_service"]["initial_metadata"]}
    static = service_attributes("store.default.svc.cluster.local", "default")
    assert (said["x-flotilla-reporter"], json.loads(said["x-flotilla-static"])) == ("outbound", static)
    validate(compiled)


def test_a_gateway_takes_headers_that_carry_trust_from_its_callers() -> None:
    tree = listener(gateway(mesh_with(without=("check", "report"))), "127.0.0.1_8080")
    (mutation,) = named(tree, "envoy.http.early_header_mutation.header_mutation")
    assert mutation["typed_config"]["mutations"] == [{"remove": "x-istio-attributes"}, {"remove": "x-flotilla-peer"}]


def test_loggers_of_a_direction_share_their_configuration() -> None:
    """Each distinct one would open a stream of its own per worker."""
    trees = workload(mesh_with()).tree()["listeners"]
    for kind in (HTTP_REPORT, TCP_REPORT):
        configs: dict[str, list[Any]] = {}
        for found in named(list(trees.values()), kind):
            common = found["typed_config"]["common_config"]
            configs.setdefault(common["log_name"], []).append(common)
        assert set(configs) == {"inbound", "outbound"}
        for each in configs.values():
            assert all(common == each[0] for common in each)


SCOPES = [
    "hosts: ['./none.example.com']",
    "hosts: ['*/*']",
    f"hosts: ['istio-system/{POLICY}']",
]


@pytest.mark.parametrize("scope", SCOPES)
def test_the_cluster_of_mixer_is_the_same_in_every_scope(scope: str) -> None:
    text = WORKLOAD.replace('hosts: ["*/*"]', scope.replace("'", '"'))
    compiled = workload(Mesh(text))
    cluster = compiled.tree()["clusters"][NAME]
    assert cluster == workload(mesh_with()).tree()["clusters"][NAME]
    context = cluster["transport_socket"]["typed_config"]
    matchers = context["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    (san,) = matchers["match_typed_subject_alt_names"]
    assert san["matcher"]["exact"] == "spiffe://cluster.local/ns/istio-system/sa/istio-mixer-service-account"
    assert context["common_tls_context"]["alpn_protocols"] == ["h2"]
    assert "transport_socket_matches" not in cluster
    assert compiled.tree()["endpoints"][NAME]["endpoints"]
    assert not [name for name in compiled.tree()["listeners"] if name.endswith("_15004")]


def test_without_a_service_the_cluster_is_empty_and_the_mesh_configuration_says_so(validate) -> None:
    gone = WORKLOAD.replace(
        "metadata: {name: istio-policy, namespace: istio-system}\nspec:\n  hosts: [istio-policy",
        "metadata: {name: istio-policy, namespace: istio-system}\nspec:\n  hosts: [another",
    )
    compiled = workload(Mesh(gone))
    assert "load_assignment" not in compiled.tree()["clusters"][NAME]
    ((key, field, code),) = [
        (key.name, each.field, each.code) for key, found in compiled.compiled.problems.items() for each in found
    ]
    assert (key, field, code) == ("istio", "mixerReportServer", "no-mixer")
    validate(compiled)


def test_two_servers_have_a_cluster_each() -> None:
    text = WORKLOAD.replace("mixerReportServer: istio-policy", "mixerReportServer: istio-telemetry")
    clusters = workload(Mesh(text)).compiled.resources[CLUSTER]
    assert {NAME, NAME.replace("istio-policy", "istio-telemetry")} <= set(clusters)


SERVERS = [
    ("a.b:15004", MixerServer("a.b", 15004)),
    ("A.B:1", MixerServer("a.b", 1)),
    ("", None),
    ("a.b", None),
    (":15004", None),
    ("a.b:", None),
    ("a.b:0", None),
    ("a.b:65536", None),
    ("a.b:x", None),
]


@pytest.mark.parametrize(("text", "expected"), SERVERS)
def test_servers(text: str, expected: MixerServer | None) -> None:
    options = mixer_options(MeshConfig(mixer_check_server=text, mixer_report_server=text))
    assert options.check == options.report == expected
    assert options.servers == ((expected,) if expected else ())


def test_every_route_says_which_service_it_is_for() -> None:
    """Envoy sends no metadata of a virtual host, so that each route must have all of it."""
    table = workload(mesh_with()).tree()["routes"]["15002"]
    for host in table["virtual_hosts"]:
        for route in host["routes"]:
            if "redirect" in route:
                continue
            static = route["metadata"]["filter_metadata"]["flotilla"]
            if host["name"] == "block_all":
                assert static == {"destination.service.name": "BlackHoleCluster"}
            else:
                assert static == service_attributes(
                    host["name"].rpartition(":")[0], static["destination.service.namespace"]
                )


def test_a_mesh_without_mixer_says_nothing_of_it() -> None:
    tree = workload(mesh_with(without=("check", "report"))).tree()
    assert "flotilla" not in str(tree)
    assert NAME not in tree["clusters"]
