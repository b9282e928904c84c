"""What a pod says of itself: environment, downward API files, probes, where metrics are, and what is wrong with a token."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from flotilla_agent.bootstrap.bootstrap import make_bootstrap
from flotilla_agent.bootstrap.node import make_node, node_id
from flotilla_agent.config import AgentSettings
from flotilla_agent.errors import PodRefused
from flotilla_agent.pod.app_probes import GrpcProbe, HttpProbe, TcpProbe, read_probes
from flotilla_agent.pod.command import pod_command
from flotilla_agent.pod.environment import Pod, read_pod
from flotilla_agent.pod.podinfo import parse_podinfo, read_podinfo
from flotilla_agent.pod.scrape import ScrapeTarget, read_target
from flotilla_agent.pod.signing import token_doubt

ENVIRON = {
    "POD_NAME": "reviews-v1-5d8f8b7b7-x2x7k",
    "POD_NAMESPACE": "bookinfo",
    "INSTANCE_IP": "10.1.2.3",
    "SERVICE_ACCOUNT": "bookinfo-reviews",
    "ISTIO_META_WORKLOAD_NAME": "reviews-v1",
    "ISTIO_META_CLUSTER_ID": "Kubernetes",
    "ISTIO_META_POD_PORTS": '[{"containerPort":9080}]',
    "ISTIO_META_INTERCEPTION_MODE": "REDIRECT",
}
LABELS = {"app": "reviews", "version": "v1"}


def pod(kind: Any = "sidecar", domain: str = "", **changes: str) -> Pod:
    return read_pod(kind, {**ENVIRON, **changes}, LABELS, {"a": "b", "kubernetes.io/config.seen": "now"}, domain)


def test_who_the_pod_is() -> None:
    found = pod(domain="bookinfo.svc.example.org")
    workload = found.workload
    assert (workload.name, workload.namespace, workload.service_account, workload.kind) == (
        "reviews-v1-5d8f8b7b7-x2x7k",
        "bookinfo",
        "bookinfo-reviews",
        "sidecar",
    )
    assert found.settings["domain"] == "example.org"
    node = make_node(workload, "example.org")
    assert node["id"] == "sidecar~10.1.2.3~reviews-v1-5d8f8b7b7-x2x7k.bookinfo~bookinfo.svc.example.org"
    assert node["cluster"] == "reviews.bookinfo"
    wanted = {
        "INTERCEPTION_MODE": "REDIRECT",
        "WORKLOAD_NAME": "reviews-v1",
        "INSTANCE_IPS": "10.1.2.3",
        "LABELS": LABELS,
        "ANNOTATIONS": {"a": "b"},
        "POD_PORTS": '[{"containerPort":9080}]',
        "NAME": "reviews-v1-5d8f8b7b7-x2x7k",
        "CLUSTER_ID": "Kubernetes",
    }
    assert {name: node["metadata"][name] for name in wanted} == wanted


def test_a_router_captures_nothing() -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != "ISTIO_META_INTERCEPTION_MODE"}
    workload = read_pod("router", environ, {"istio": "ingressgateway"}, {}).workload
    assert node_id(workload, "cluster.local").startswith("router~10.1.2.3~")
    assert make_node(workload, "cluster.local")["metadata"]["INTERCEPTION_MODE"] == "NONE"


def test_metadata_of_variables_with_json() -> None:
    found = pod(ISTIO_METAJSON_LABELS='{"version": "v2", "team": "blue"}', ISTIO_META_NETWORK="east").workload
    assert found.metadata["LABELS"] == {"app": "reviews", "version": "v2", "team": "blue"}
    assert found.metadata["NETWORK"] == "east"


# (what changes, the setting, its value)
SETTINGS = (
    ({}, "trust_domain", "cluster.local"),
    ({}, "citadel.address", "istio-citadel.istio-system.svc:8060"),
    ({"ROOT_NAMESPACE": "mesh"}, "citadel.server_name", "istio-citadel.mesh.svc"),
    ({"ROOT_NAMESPACE": "mesh"}, "pilot.address", "istio-pilot.mesh.svc:15012"),
    ({"CA_ADDR": "ca.example:8060"}, "citadel.address", "ca.example:8060"),
    ({"PROXY_CONFIG": '{"discoveryAddress": "p.m.svc:1"}'}, "pilot.address", "p.m.svc:1"),
    ({"PROXY_CONFIG": '{"discoveryAddress": "p.m.svc:1"}', "DISCOVERY_ADDRESS": "d:2"}, "pilot.address", "d:2"),
    (
        {"TRUST_DOMAIN": "td", "ROOT_NAMESPACE": "mesh"},
        "pilot.identity",
        "spiffe://td/ns/mesh/sa/istio-pilot-service-account",
    ),
    ({}, "concurrency", 2),
    ({"ISTIO_CPU_LIMIT": "4"}, "concurrency", 4),
    ({"PROXY_CONFIG": '{"concurrency": 3}', "ISTIO_CPU_LIMIT": "4"}, "concurrency", 3),
    ({}, "drain_seconds", 5),
    ({}, "drain_least_seconds", 5),
    ({"PROXY_CONFIG": '{"terminationDrainDuration": "30s"}'}, "drain_seconds", 30),
    ({"PROXY_CONFIG": '{"terminationDrainDuration": "30s"}'}, "drain_least_seconds", 30),
    ({"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}, "drain_seconds", 3600),
    ({"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}, "drain_least_seconds", 5),
    ({"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": "8s"}, "drain_least_seconds", 8),
    ({"SECRET_TTL": "1h30m0s"}, "certificate_ttl_seconds", 5400),
    ({"PROXY_CONFIG": '{"fieldOfTomorrow": 1}'}, "drain_seconds", 5),
)


@pytest.mark.parametrize(("changes", "name", "value"), SETTINGS)
def test_settings_of_a_pod(changes: dict[str, str], name: str, value: Any) -> None:
    found: Any = pod(**changes).settings
    for part in name.split("."):
        found = found[part]
    assert found == value
    AgentSettings(_env_prefix="FLOTILLA_AGENT_", **pod(**changes).settings)  # type: ignore[call-arg]


REFUSALS = (
    ({"POD_NAME": ""}, "the variable POD_NAME is empty: it must come from the downward API (fieldPath metadata.name)"),
    ({"INSTANCE_IP": " "}, "the variable INSTANCE_IP is empty"),
    ({"INSTANCE_IP": "none"}, "'none' is no IP address"),
    ({"PROXY_CONFIG": "{"}, "the variable PROXY_CONFIG is no proxy configuration"),
    ({"PROXY_CONFIG": '{"concurrency": "many"}'}, "the variable PROXY_CONFIG is no proxy configuration"),
    ({"ISTIO_METAJSON_LABELS": "[]"}, "ISTIO_METAJSON_LABELS holds a list where a JSON object must stand"),
    ({"ISTIO_METAJSON_X": "x"}, "the variable ISTIO_METAJSON_X is not JSON"),
    ({"SECRET_TTL": "a day"}, "the variable SECRET_TTL is 'a day': it must be a duration such as 24h or 90s"),
    ({"SECRET_TTL": "12"}, "SECRET_TTL"),
)


@pytest.mark.parametrize(("changes", "words"), REFUSALS)
def test_an_environment_that_cannot_be(changes: dict[str, str], words: str) -> None:
    with pytest.raises(PodRefused) as refused:
        pod(**changes)
    assert words in str(refused.value)


def test_the_command_says_in_one_line_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert pod_command(["proxy", "sidecar"], {"POD_NAME": "x"}) == 2
    assert capsys.readouterr().err == (
        "agent: the variable INSTANCE_IP is empty: it must come from the downward API (fieldPath status.podIP)\n"
    )


def test_the_bootstrap_of_a_pod() -> None:
    found = pod()
    settings = AgentSettings(_env_prefix="FLOTILLA_AGENT_", **found.settings)  # type: ignore[call-arg]
    bootstrap = make_bootstrap(settings, found.workload, Path("/etc/istio/proxy/envoy/sds.sock"))
    assert bootstrap["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 15000}
    assert bootstrap["cluster_manager"] == {}
    listeners = {each["name"]: each["address"]["socket_address"] for each in bootstrap["static_resources"]["listeners"]}
    assert listeners == {
        "prometheus": {"address": "0.0.0.0", "port_value": 15090},
        "agent": {"address": "0.0.0.0", "port_value": 15021},
    }
    clusters = {each["name"]: each for each in bootstrap["static_resources"]["clusters"]}
    assert clusters["xds-grpc"]["type"] == "STRICT_DNS"
    assert clusters["sds-grpc"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == {
        "pipe": {"path": "/etc/istio/proxy/envoy/sds.sock"}
    }


# downward API files

PODINFO = (
    ('app="reviews"', {"app": "reviews"}),
    ('a="b"\nc="d"\n', {"a": "b", "c": "d"}),
    (r'note="two\nlines, \"quoted\", \\ and \u00e9\x21"', {"note": 'two\nlines, "quoted", \\ and é!'}),
    ('empty=""', {"empty": ""}),
    ('eq="a=b"', {"eq": "a=b"}),
    ("no quotes", {}),
    ('broken="', {}),
)


@pytest.mark.parametrize(("text", "found"), PODINFO)
def test_downward_api_files(text: str, found: dict[str, str]) -> None:
    assert parse_podinfo(text) == found


def test_no_downward_api_file(tmp_path: Path) -> None:
    assert read_podinfo(tmp_path / "labels") == {}


# probes

PROBES: tuple[tuple[Any, Any], ...] = (
    ({"httpGet": {"port": 80}}, HttpProbe(80)),
    (
        {"httpGet": {"port": 8443, "path": "/ok", "scheme": "HTTPS", "host": "h"}, "timeoutSeconds": 7},
        HttpProbe(8443, "/ok", "https", "h", {}, 7.0),
    ),
    (
        {"httpGet": {"port": "80", "httpHeaders": [{"name": "Host", "value": "a.b"}]}},
        HttpProbe(80, headers={"Host": "a.b"}),
    ),
    ({"tcpSocket": {"port": 3306}}, TcpProbe(3306)),
    ({"grpc": {"port": 9000, "service": "s"}, "timeoutSeconds": 3}, GrpcProbe(9000, "s", 3.0)),
    ({"path": "/old", "port": 8080, "scheme": "HTTP"}, HttpProbe(8080, "/old")),
)


@pytest.mark.parametrize(("content", "probe"), PROBES)
def test_probes_that_injection_left(content: Any, probe: Any) -> None:
    assert read_probes(json.dumps({"/app-health/app/readyz": content})) == {"/app-health/app/readyz": probe}


def test_no_probes() -> None:
    assert read_probes("") == {}


BAD_PROBES = (
    ("{", "ISTIO_KUBE_APP_PROBERS is not JSON"),
    ("[]", "must hold an object of probes by path"),
    ('{"/app-health/app/healthz": {}}', "'/app-health/app/healthz' must be of the form"),
    ('{"/app-health/app/livez": {}}', "/app-health/app/livez must hold httpGet, tcpSocket or grpc"),
    ('{"/app-health/app/livez": {"httpGet": {"port": "http"}}}', "the port 'http' must be a number"),
    ('{"/app-health/app/livez": {"tcpSocket": {"port": 0}}}', "the port 0 must be a number"),
)


@pytest.mark.parametrize(("text", "words"), BAD_PROBES)
def test_probes_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(PodRefused) as refused:
        read_probes(text)
    assert words in str(refused.value)


def test_a_health_check_on_the_wire() -> None:
    """grpc.health.v1.HealthCheckRequest: field 1, a string."""
    assert GrpcProbe(1, "abc").request() == b"\n\x03abc"
    assert GrpcProbe(1).request() == b""


# metrics of the application

TARGETS = (
    ("", None),
    ('{"scrape": "true", "port": "9080", "path": "/m"}', ScrapeTarget(9080, "/m")),
    ('{"port": 9080}', ScrapeTarget(9080)),
    ('{"scrape": "false", "port": "9080"}', None),
    ('{"port": "15020"}', None),
)


@pytest.mark.parametrize(("text", "target"), TARGETS)
def test_where_the_applications_metrics_are(text: str, target: Any) -> None:
    assert read_target(text, 15020) == target


def test_a_port_that_is_none() -> None:
    with pytest.raises(PodRefused, match="the port 'http' must be a number"):
        read_target('{"port": "http"}', 15020)


# tokens


def token(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


GOOD = {"aud": ["istio-ca"], "exp": 2000, "sub": "system:serviceaccount:bookinfo:reviews"}
DOUBTS = (
    (GOOD, ""),
    ({**GOOD, "aud": "istio-ca"}, ""),
    (
        {**GOOD, "aud": ["https://kubernetes.default.svc"]},
        "the token in F is for the audience https://kubernetes.default.svc and Citadel takes istio-ca: "
        "set it on the volume istio-token",
    ),
    ({**GOOD, "aud": []}, "the token in F is for the audience none"),
    ({**GOOD, "exp": 900}, "the token in F ended 100 s ago"),
    ({**GOOD, "sub": "system:serviceaccount:bookinfo:default"}, "and this workload is bookinfo/reviews"),
)


@pytest.mark.parametrize(("claims", "words"), DOUBTS)
def test_what_is_wrong_with_a_token(claims: dict[str, Any], words: str) -> None:
    found = token_doubt(token(**claims), "F", "bookinfo/reviews", 1000)
    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", "a.W10.c"])
def test_what_is_no_token(text: str) -> None:
    assert token_doubt(text, "F", "bookinfo/reviews", 1000) == "F holds no JWT"
