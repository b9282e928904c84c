"""Who is injected, what annotations may be, what is said when they may not, and the smaller rules."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_pilot.injection.annotations import RULES, check_annotations
from flotilla_pilot.injection.decision import decide
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.identity import pod_identity
from flotilla_pilot.injection.probes import redirect_probes
from flotilla_pilot.injection.proxy_config import as_text, merged_proxy_config, unknown_field
from flotilla_pilot.injection.selectors import matches
from flotilla_pilot.injection.settings import (
    InjectionConfig,
    InjectionValues,
    choose_templates,
    read_config,
    read_values,
)
from flotilla_pilot.injection.url import environment_of
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig
from flotilla_shared.model.owners import Owner

ON, OFF = InjectionConfig(), InjectionConfig(policy="disabled")
FRONT = {"matchLabels": {"tier": "front"}}
NEVER, ALWAYS = InjectionConfig(never=(FRONT,)), InjectionConfig(policy="disabled", always=(FRONT,))
EMPTY = InjectionConfig(never=({},), always=({},))


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels or {}, "annotations": annotations or {}}, "spec": spec}


INJECT = "sidecar.istio.io/inject"
# (what, pod, namespace, configuration, whether, words of the reason)
DECISIONS = (
    ("the policy says so", pod(), "default", ON, True, "the policy is enabled"),
    ("or not", pod(), "default", OFF, False, "the policy is disabled"),
    ("host networking beats all", pod({INJECT: "true"}, hostNetwork=True), "default", ON, False, "host networking"),
    ("system namespaces beat labels", pod({INJECT: "true"}), "kube-system", ON, False, "kube-system"),
    ("and so does this one", pod({INJECT: "true"}), "local-path-storage", ON, False, "local-path-storage"),
    ("a label", pod({INJECT: "true"}), "default", OFF, True, "label sidecar.istio.io/inject is true"),
    ("a label that says no", pod({INJECT: "false"}), "default", ON, False, "is false"),
    ("an annotation", pod(None, {INJECT: "false"}), "default", ON, False, "annotation"),
    ("the label beats the annotation", pod({INJECT: "true"}, {INJECT: "false"}), "default", OFF, True, "label"),
    ("a label of another value says nothing", pod({INJECT: "yes"}, {INJECT: "false"}), "default", ON, True, "policy"),
    ("labels beat selectors", pod({INJECT: "true", "tier": "front"}), "default", NEVER, True, "label"),
    ("never", pod({"tier": "front"}), "default", NEVER, False, "neverInjectSelector"),
    ("always", pod({"tier": "front"}), "default", ALWAYS, True, "alwaysInjectSelector"),
    ("an empty selector is let be", pod({"tier": "front"}), "default", EMPTY, True, "the policy is enabled"),
)


@pytest.mark.parametrize(
    ("given", "namespace", "config", "whether", "words"),
    [each[1:] for each in DECISIONS],
    ids=[each[0] for each in DECISIONS],
)
def test_who_is_injected(
    given: dict[str, Any], namespace: str, config: InjectionConfig, whether: bool, words: str
) -> None:
    decision = decide(given, namespace, config)
    assert decision.inject is whether
    assert words in decision.reason


SELECTORS = (
    ({"matchLabels": {"a": "b"}}, {"a": "b"}, True),
    ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, {"a": "c"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {"a": "b"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}, {"a": "2"}, False),
)


@pytest.mark.parametrize(("selector", "labels", "whether"), SELECTORS)
def test_selectors(selector: dict[str, Any], labels: dict[str, str], whether: bool) -> None:
    assert matches(selector, labels) is whether


# annotation, values that may be, values that may not
ANNOTATIONS = (
    ("sidecar.istio.io/rewriteAppHTTPProbers", ("true", "False"), ("yes", "")),
    ("sidecar.istio.io/nativeSidecar", ("true",), ("on",)),
    ("sidecar.istio.io/capNetBindService", ("true",), ("1",)),
    ("prometheus.istio.io/merge-metrics", ("false",), ("no",)),
    ("sidecar.istio.io/proxyCPU", ("100m", "2", "0.5"), ("a lot", "-1", "1 Gi")),
    ("sidecar.istio.io/proxyCPULimit", ("2000m",), ("m",)),
    ("sidecar.istio.io/proxyMemory", ("128Mi", "1e9", "1Gi"), ("128MB",)),
    ("sidecar.istio.io/proxyMemoryLimit", ("1G",), ("1gb",)),
    ("sidecar.istio.io/logLevel", ("debug", "warning"), ("loud",)),
    ("sidecar.istio.io/componentLogLevel", ("misc:error,http:debug",), ("misc", "misc=error")),
    ("sidecar.istio.io/interceptionMode", ("REDIRECT", "TPROXY", "NONE"), ("redirect", "")),
    ("sidecar.istio.io/userVolume", ('{"v": {"emptyDir": {}}}',), ("[]", "{")),
    ("sidecar.istio.io/userVolumeMount", ('{"v": {"mountPath": "/v"}}',), ("x",)),
    ("status.sidecar.istio.io/port", ("0", "15020"), ("65536", "http", "-1")),
    ("readiness.status.sidecar.istio.io/initialDelaySeconds", ("0", "30"), ("1.5", "-1")),
    ("readiness.status.sidecar.istio.io/periodSeconds", ("2",), ("2s",)),
    ("readiness.status.sidecar.istio.io/failureThreshold", ("30",), ("4294967296",)),
    ("readiness.status.sidecar.istio.io/applicationPorts", ("", "80,443"), ("80;443",)),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", ("*", "", "10.0.0.0/8,fd00::/8"), ("10.0.0.0", "all")),
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", ("", "10.0.0.1/8"), ("*", "10.0.0.0/33")),
    ("traffic.sidecar.istio.io/includeInboundPorts", ("*", "", "80, 443"), ("http", "80-90")),
    ("traffic.sidecar.istio.io/excludeInboundPorts", ("", "22"), ("*", "99999")),
    ("traffic.sidecar.istio.io/includeOutboundPorts", ("5432",), ("*",)),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", ("5432",), ("*",)),
)


def test_every_annotation_is_in_the_table() -> None:
    assert {each[0] for each in ANNOTATIONS} == set(RULES)


@pytest.mark.parametrize(("name", "right", "wrong"), ANNOTATIONS, ids=[each[0] for each in ANNOTATIONS])
def test_what_annotations_may_be(name: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    for value in right:
        check_annotations({name: value})
    for value in wrong:
        with pytest.raises(InjectionRefused) as refused:
            check_annotations({name: value})
        assert str(refused.value) == f"annotation {name} is {value!r}: it must be {RULES[name][1]}"


def test_unknown_annotations_are_let_be() -> None:
    check_annotations({"sidecar.istio.io/ofTomorrow": "?", "app.example/x": "y"})


# proxy configuration

MERGES = (
    ("", {}, {}),
    ("concurrency: 3", {}, {"concurrency": 3}),
    ("concurrency: 3", {"concurrency": 5}, {"concurrency": 3}),
    ("proxyMetadata: {A: b}", {"proxyMetadata": {"C": "d"}}, {"proxyMetadata": {"A": "b", "C": "d"}}),
    ("extraStatTags: [x]", {"extraStatTags": ["y", "z"]}, {"extraStatTags": ["x"]}),
    ('{"holdApplicationUntilProxyStarts": true}', {}, {"holdApplicationUntilProxyStarts": True}),
    ("terminationDrainDuration: 30s", {"terminationDrainDuration": "10s"}, {"terminationDrainDuration": "30s"}),
    ("image: {imageType: debug}", {"image": {"imageType": "distroless"}}, {"image": {"imageType": "debug"}}),
)


@pytest.mark.parametrize(("annotation", "mesh", "merged"), MERGES)
def test_a_pods_proxy_configuration(annotation: str, mesh: dict[str, Any], merged: dict[str, Any]) -> None:
    import json

    from google.protobuf import json_format

    given = json_format.ParseDict(mesh, ProxyConfig())
    before = ProxyConfig()
    before.CopyFrom(given)
    assert json.loads(as_text(merged_proxy_config(given, annotation), 15020)) == merged
    assert given == before


BAD_CONFIGS = (
    ("concurrency: many", "annotation proxy.istio.io/config is no proxy configuration"),
    ("- a", "is no proxy configuration"),
    ("a: [", "is no proxy configuration"),
    ("concurrency: -1", "concurrency is -1: it must be between 0 and 1024"),
    ("statusPort: 70000", "status_port is 70000: it must be a port"),
    ("terminationDrainDuration: -5s", "terminationDrainDuration must not be negative"),
)


@pytest.mark.parametrize(("annotation", "words"), BAD_CONFIGS)
def test_a_proxy_configuration_that_cannot_be(annotation: str, words: str) -> None:
    with pytest.raises(InjectionRefused) as refused:
        merged_proxy_config(ProxyConfig(), annotation)
    assert words in str(refused.value)


def test_an_unknown_field_is_left_out_and_told() -> None:
    assert merged_proxy_config(ProxyConfig(), "concurency: 2\nstatusPort: 3") == ProxyConfig(status_port=3)
    assert 'no field named "concurency"' in unknown_field("concurency: 2")
    assert unknown_field("concurrency: 2") == ""


def test_the_status_port_is_the_agents() -> None:
    assert as_text(ProxyConfig(), 15020) == "{}"
    assert as_text(ProxyConfig(), 1234) == '{"statusPort":1234}'


# names

HASHED = {"pod-template-hash": "7d9f", "app": "web"}
REPLICA_SET = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "front-7d9f", "controller": True}]
IDENTITIES = (
    ({"labels": HASHED, "ownerReferences": REPLICA_SET}, None, ("front", "web", "latest")),
    ({"labels": HASHED, "ownerReferences": REPLICA_SET}, Owner("apps/v1", "Deployment", "d"), ("d", "web", "latest")),
    ({"name": "alone"}, None, ("alone", "alone", "latest")),
    ({"generateName": "made-"}, None, ("", "", "latest")),
    ({"name": "a", "labels": {"app.kubernetes.io/name": "n", "app": "b", "version": "v2"}}, None, ("a", "n", "v2")),
    (
        {
            "name": "a",
            "labels": {
                "service.istio.io/canonical-name": "c",
                "app": "b",
                "service.istio.io/canonical-revision": "r",
                "app.kubernetes.io/version": "x",
            },
        },
        None,
        ("a", "c", "r"),
    ),
    ({"name": "x" * 62 + "-y"}, None, ("x" * 62 + "-y", "x" * 62, "latest")),
)


@pytest.mark.parametrize(("metadata", "owner", "names"), IDENTITIES)
def test_under_which_names(metadata: dict[str, Any], owner: Owner | None, names: tuple[str, str, str]) -> None:
    found = pod_identity({"metadata": metadata}, "default", owner)
    assert (found.workload, found.canonical_name, found.canonical_revision) == names


# probes


def container(**more: Any) -> dict[str, Any]:
    return {"name": "app", "ports": [{"name": "web", "containerPort": 80}], **more}


HTTPS = {
    "httpGet": {
        "port": "web",
        "path": "/p",
        "scheme": "HTTPS",
        "host": "h",
        "httpHeaders": [{"name": "A", "value": "b"}],
    }
}
# (container, what the agent must ask, what is left in the container)
PROBES: tuple[tuple[dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    (
        {"readinessProbe": {"httpGet": {"port": 80, "path": "/ok"}, "periodSeconds": 2}},
        {"/app-health/app/readyz": {"httpGet": {"port": 80, "path": "/ok"}}},
        {"readinessProbe": {"httpGet": {"path": "/app-health/app/readyz", "port": 15020}, "periodSeconds": 2}},
    ),
    (
        {"livenessProbe": {**HTTPS, "timeoutSeconds": 4}},
        {"/app-health/app/livez": {"httpGet": {**HTTPS["httpGet"], "port": 80}, "timeoutSeconds": 4}},
        {
            "livenessProbe": {
                "httpGet": {
                    "path": "/app-health/app/livez",
                    "port": 15020,
                    "scheme": "HTTP",
                    "httpHeaders": [{"name": "A", "value": "b"}],
                },
                "timeoutSeconds": 4,
            }
        },
    ),
    (
        {"startupProbe": {"tcpSocket": {"port": "web"}}},
        {"/app-health/app/startupz": {"tcpSocket": {"port": 80}}},
        {"startupProbe": {"httpGet": {"path": "/app-health/app/startupz", "port": 15020}}},
    ),
    (
        {"livenessProbe": {"grpc": {"port": 9000, "service": "s"}}},
        {"/app-health/app/livez": {"grpc": {"port": 9000, "service": "s"}}},
        {"livenessProbe": {"httpGet": {"path": "/app-health/app/livez", "port": 15020}}},
    ),
    ({"livenessProbe": {"exec": {"command": ["true"]}}}, {}, {"livenessProbe": {"exec": {"command": ["true"]}}}),
    ({"livenessProbe": {"httpGet": {"port": "nobody"}}}, {}, {"livenessProbe": {"httpGet": {"port": "nobody"}}}),
    (
        {"lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/bye"}}}},
        {"/app-lifecycle/app/prestopz": {"httpGet": {"port": 80, "path": "/bye"}}},
        {"lifecycle": {"preStop": {"httpGet": {"path": "/app-lifecycle/app/prestopz", "port": 15020}}}},
    ),
)


@pytest.mark.parametrize(("given", "asked", "left"), PROBES)
def test_probes_are_led_through_the_agent(given: dict[str, Any], asked: dict[str, Any], left: dict[str, Any]) -> None:
    spec = {"containers": [container(**given)]}
    assert redirect_probes(spec, 15020, {}) == asked
    assert spec == {"containers": [container(**left)]}
    # A second time there is nothing left to take, and what was taken stays.
    assert redirect_probes(spec, 15020, asked) == asked
    assert spec == {"containers": [container(**left)]}


# the webhook's URL

URLS = (
    ("/inject", {}),
    ("/inject/", {}),
    ("/inject/cluster/east/net/n1", {"ISTIO_META_CLUSTER_ID": "east", "ISTIO_META_NETWORK": "n1"}),
    ("/inject/my_key/a--slash--b", {"MY_KEY": "a/b"}),
    ("/inject/:ENV:cluster=east:ENV:net=n1", {"ISTIO_META_CLUSTER_ID": "east", "ISTIO_META_NETWORK": "n1"}),
)


@pytest.mark.parametrize(("path", "variables"), URLS)
def test_variables_of_the_url(path: str, variables: dict[str, str]) -> None:
    assert environment_of(path) == variables


@pytest.mark.parametrize("path", ["/inject/cluster", "/inject/a-b/c", "/inject/1/2"])
def test_urls_that_cannot_be(path: str) -> None:
    with pytest.raises(InjectionRefused, match="the webhook's path"):
        environment_of(path)


# the injector's configuration

BAD_SETTINGS = (
    ("policy: sometimes", "config: policy is 'sometimes': it must be enabled or disabled"),
    ("templates: {custom: '{{ .X }}'}", "there is no template custom: Flotilla has sidecar, gateway, grpc-agent"),
    ("defaultTemplates: [waypoint]", "config: defaultTemplates names the template 'waypoint'"),
    ("- a", "config: it holds a list where key: value pairs must stand"),
    ("a: [", "config: it is not YAML"),
)


@pytest.mark.parametrize(("text", "words"), BAD_SETTINGS)
def test_a_configuration_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(InjectionRefused) as refused:
        read_config(text)
    assert words in str(refused.value)


def test_templates_by_alias() -> None:
    config = read_config("aliases: {edge: [gateway], both: [sidecar, gateway]}\ndefaultTemplates: [sidecar]")
    assert choose_templates(config, "", "x") == ("sidecar",)
    assert choose_templates(config, "edge,edge", "x") == ("gateway",)
    assert choose_templates(config, "both", "x") == ("sidecar", "gateway")
    with pytest.raises(InjectionRefused, match="it must be one of sidecar, gateway, grpc-agent, edge, both"):
        choose_templates(config, "nothing", "annotation inject.istio.io/templates")


def test_values_have_defaults_below_them() -> None:
    values = read_values('{"global": {"hub": "example/mesh", "proxy": {"resources": null}}}')
    assert values.text("global", "hub") == "example/mesh"
    assert values.get("global", "proxy", "resources") is None
    assert values.text("global", "proxy", "image") == "proxy"
    assert InjectionValues({}).get("global", "proxy", "statusPort") == 15020
