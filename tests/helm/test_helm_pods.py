"""Every pod of the chart: restricted, with no more of the API than it needs, and placed as the values say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helm.generate.schema import CHARTS
from helm.generate.settings import SERVICES
from tests.helm.render import Object, named, of_kind, pod_templates, render, value_sets

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")


def violations(template: Object) -> list[str]:
    """What the Pod Security Standard `restricted` (v1.36) would refuse, in its own words, shortened."""
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    found = [field for field in HOST_FIELDS if spec.get(field)]
    found += [
        f"volume {each['name']}" for each in spec.get("volumes", []) if not set(each) - {"name"} <= RESTRICTED_VOLUMES
    ]
    for container in spec["containers"] + spec.get("initContainers", []):
        own = pod | container.get("securityContext", {})
        wrong = {
            "runAsNonRoot": own.get("runAsNonRoot") is not True,
            "runAsUser": own.get("runAsUser") == 0,
            "seccomp": own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "escalation": own.get("allowPrivilegeEscalation") is not False,
            "privileged": bool(own.get("privileged")),
            "capabilities": own.get("capabilities", {}).get("drop") != ["ALL"] or bool(own["capabilities"].get("add")),
            "hostPort": any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {name}" for name, is_wrong in wrong.items() if is_wrong]
    return found


def test_the_check_notices_what_is_not_restricted() -> None:
    """So that no violation below means something."""
    bad: Object = {
        "spec": {
            "hostNetwork": True,
            "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
            "containers": [
                {"name": "c", "securityContext": {"privileged": True, "runAsUser": 0}, "ports": [{"hostPort": 1}]}
            ],
        }
    }
    wrong = {"runAsNonRoot", "runAsUser", "seccomp", "escalation", "privileged", "capabilities", "hostPort"}
    assert set(violations(bad)) == {"hostNetwork", "volume v"} | {f"c: {each}" for each in wrong}


@pytest.mark.parametrize("name", value_sets())
def test_pods_are_restricted(helm4: Path, name: str) -> None:
    templates = pod_templates(render(helm4, name))
    assert len(templates) >= 3
    for pod, template in templates.items():
        assert violations(template) == [], pod
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert template["spec"]["securityContext"]["runAsUser"] == 1337
            assert template["spec"]["enableServiceLinks"] is False, "a Service's variables must not look like settings"


@pytest.mark.parametrize("name", value_sets())
def test_names_of_container_ports_are_short_enough(helm4: Path, name: str) -> None:
    """The API server takes fifteen characters; its schema does not say so."""
    for template in pod_templates(render(helm4, name)).values():
        for container in template["spec"]["containers"]:
            names = [each["name"] for each in container.get("ports", [])]
            assert len(names) == len(set(names))
            assert all(len(each) <= 15 for each in names)


# Who calls the API server. The gateway does only when it reads certificates, and the pod of `helm test` never.
CALLERS = {"istio-galley", "istio-pilot", "istio-citadel", "istio-mixer"}


@pytest.mark.parametrize("name", value_sets())
def test_only_who_calls_the_api_server_has_its_token(helm4: Path, name: str) -> None:
    objects = render(helm4, name)
    have = {pod for pod, each in pod_templates(objects).items() if each["spec"]["automountServiceAccountToken"]}
    callers = set(CALLERS) - ({"istio-mixer"} if name == "minimal" else set())
    if name == "production":
        callers.add("istio-ingressgateway")
    assert {pod for pod in have if "cleanup" not in pod} == callers
    accounts = of_kind(objects, "ServiceAccount")
    assert all(each["automountServiceAccountToken"] is False for each in accounts)
    used = {each["spec"]["serviceAccountName"] for each in pod_templates(objects).values()} - {"default"}
    assert used == {each["metadata"]["name"] for each in accounts}


@pytest.mark.parametrize("name", value_sets())
def test_services_lead_to_ports_that_pods_have(helm4: Path, name: str) -> None:
    objects = render(helm4, name)
    deployments = of_kind(objects, "Deployment")
    for service in of_kind(objects, "Service"):
        selector = service["spec"]["selector"].items()
        (deployment,) = (
            each for each in deployments if selector <= each["spec"]["template"]["metadata"]["labels"].items()
        )
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {each["containerPort"] for each in container["ports"]}
        assert {each["targetPort"] for each in service["spec"]["ports"]} <= ports, service["metadata"]["name"]
        assert (
            deployment["spec"]["selector"]["matchLabels"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
        )


SERVICE_PORTS = {
    "istio-galley": {"https-validation": (443, 9443), "grpc-mcp": (9901, 9901)},
    "istio-pilot": {"grpc-xds": (15012, 15012), "https-webhook": (443, 15017)},
    "istio-citadel": {"grpc-citadel": (8060, 8060)},
    "istio-mixer": {"grpc-mixer": (15004, 15004)},
    "istio-policy": {"grpc-mixer": (15004, 15004)},
    "istio-telemetry": {"grpc-mixer": (15004, 15004), "prometheus": (42422, 42422)},
}


def test_names_and_numbers_of_ports_are_istios(helm4: Path) -> None:
    objects = render(helm4)
    for name, ports in SERVICE_PORTS.items():
        spec = named(objects, "Service", name)["spec"]
        found = {each["name"]: (each["port"], each["targetPort"]) for each in spec["ports"]}
        assert found == ports | {"http-monitoring": (15014, 15014)}
    gateway = named(objects, "Service", "istio-ingressgateway")["spec"]
    assert {(each["name"], each["port"], each["targetPort"]) for each in gateway["ports"]} == {
        ("status-port", 15021, 15021),
        ("http2", 80, 8080),
        ("https", 443, 8443),
    }


@pytest.mark.parametrize("chart", CHARTS)
def test_scheduling_and_extras_reach_every_deployment(helm4: Path, chart: str) -> None:
    name = {"gateway": "istio-ingressgateway"}.get(chart, f"istio-{chart}")
    deployment = named(render(helm4, "placed"), "Deployment", name)
    template = deployment["spec"]["template"]
    spec = template["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert spec["tolerations"] == [{"key": "mesh", "operator": "Exists"}]
    assert set(spec["affinity"]) == {"nodeAffinity"}
    assert spec["terminationGracePeriodSeconds"] == 7
    assert template["metadata"]["annotations"]["example.com/a"] == "b"
    assert template["metadata"]["labels"]["example.com/c"] == "d"
    assert {"name": "more", "configMap": {"name": "more"}} in spec["volumes"]
    assert spec["containers"][0]["image"].startswith("registry.example.com/any@sha256:")
    assert {"name": "more", "mountPath": "/more"} in spec["containers"][0]["volumeMounts"]


def test_images_pull_policy_and_secrets(helm4: Path) -> None:
    objects = render(helm4, "production")
    templates = pod_templates(objects)
    wanted = {f"istio-{service}": service for service in SERVICES} | {"istio-ingressgateway": "proxy"}
    for pod, image in wanted.items():
        (container,) = templates[pod]["spec"]["containers"]
        assert container["image"] == f"registry.example.com/mesh/{image}:0.1.0-7"
        assert container["imagePullPolicy"] == "Always"
        assert templates[pod]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    injected = named(objects, "ConfigMap", "istio-sidecar-injector")["data"]["values"]
    for said in ('"hub": "registry.example.com/mesh"', '"tag": "0.1.0-7"', '"imagePullPolicy": "Always"', '"registry"'):
        assert said in injected


def antiaffinity(helm: Path, word: str) -> dict[str, Any]:
    spec = named(render(helm, values={"galley.antiAffinity": word}), "Deployment", "istio-galley")["spec"]["template"][
        "spec"
    ]
    found: dict[str, Any] = spec.get("affinity", {}).get("podAntiAffinity", {})
    return found


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("preferred", {"preferredDuringSchedulingIgnoredDuringExecution"}),
        ("required", {"requiredDuringSchedulingIgnoredDuringExecution"}),
        ("none", set()),
    ],
)
def test_replicas_keep_apart_as_told(helm4: Path, word: str, keys: set[str]) -> None:
    assert set(antiaffinity(helm4, word)) == keys


@pytest.mark.parametrize(
    ("name", "budgets", "scalers"),
    [
        ("default", set(), set()),
        ("minimal", set(), set()),
        (
            "production",
            {"istio-galley", "istio-pilot", "istio-citadel", "istio-mixer", "istio-ingressgateway"},
            {"istio-pilot", "istio-ingressgateway"},
        ),
    ],
)
def test_budgets_where_there_is_more_than_one_and_replicas_where_nothing_scales(
    helm4: Path, name: str, budgets: set[str], scalers: set[str]
) -> None:
    objects = render(helm4, name)
    assert {each["metadata"]["name"] for each in of_kind(objects, "PodDisruptionBudget")} == budgets
    assert {each["metadata"]["name"] for each in of_kind(objects, "HorizontalPodAutoscaler")} == scalers
    unset = {each["metadata"]["name"] for each in of_kind(objects, "Deployment") if "replicas" not in each["spec"]}
    assert unset == scalers, "an upgrade must not fight the autoscaler"


def test_priority_of_one_service_beats_the_global_one(helm4: Path) -> None:
    templates = pod_templates(render(helm4, "production"))
    assert templates["istio-citadel"]["spec"]["priorityClassName"] == "cluster-ca"
    assert templates["istio-galley"]["spec"]["priorityClassName"] == "system-cluster-critical"


def test_spread_constraints_select_the_services_own_pods(helm4: Path) -> None:
    (constraint,) = pod_templates(render(helm4, "production"))["istio-pilot"]["spec"]["topologySpreadConstraints"]
    assert constraint["labelSelector"] == {"matchLabels": {"app": "pilot", "istio": "pilot"}}
    assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
