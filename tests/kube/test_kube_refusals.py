"""What goes wrong at an installation is told where an operator looks first: by helm, kubectl, a container's log, `flotilla check`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import CHARTS, NAMESPACE, VALUES, Flotilla, check, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(240)]

PROXY = "localhost/flotilla/proxy:test"


def test_a_missing_kind_is_named_by_check_and_comes_back(flotilla: Flotilla) -> None:
    """Galley goes on with the others."""
    flotilla.cluster.kubectl("delete", "crd", "wasmplugins.extensions.istio.io")
    try:
        with pytest.raises(ClusterError, match=r"wasmplugins\.extensions\.istio\.io"):
            check(flotilla)
        assert flotilla.get("istio-galley", 15014, "/readyz").status_code == 200
    finally:
        flotilla.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=definitions(flotilla))
    until(lambda: check(flotilla), "flotilla check without a problem")


def definitions(flotilla: Flotilla) -> str:
    return flotilla.cluster.helm("template", "flotilla-crds", str(CHARTS["flotilla-crds"]), "-n", NAMESPACE)


def test_without_the_kinds_helm_names_one_of_them(flotilla: Flotilla) -> None:
    """The definitions are a chart of their own: an installation without them fails at once, with the kind that is unknown."""
    plain = flotilla.cluster.helm("template", "flotilla", str(CHARTS["flotilla"]), "-n", NAMESPACE, "-f", str(VALUES))
    renamed = plain.replace("config.istio.io/v1alpha2", "config.nowhere.example/v1alpha2")
    with pytest.raises(ClusterError, match="no matches for kind"):
        flotilla.cluster.kubectl("apply", "--dry-run=server", "-f", "-", given=renamed)


def test_a_webhook_without_certificate_is_told_by_kubectl_and_mended(flotilla: Flotilla) -> None:
    """Galley's Service leads to nobody who has the mesh's certificate while its Deployment is gone."""
    flotilla.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/istio-galley", "--replicas=0")
    until(lambda: not flotilla.pods("galley"), "Galley to be gone")
    try:
        until(lambda: 'failed calling webhook "validation.istio.io"' in refusal(flotilla), "the API server to say so")
        with pytest.raises(ClusterError, match="istio-galley"):
            check(flotilla)
    finally:
        flotilla.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/istio-galley", "--replicas=1")
        flotilla.cluster.rollout("deployment/istio-galley", NAMESPACE, "120s")


def refusal(flotilla: Flotilla) -> str:
    """What the API server says against a good object; empty when it takes it. Nothing is changed."""
    try:
        flotilla.cluster.kubectl("apply", "--dry-run=server", "-f", "-", given=json.dumps(SIDECAR))
    except ClusterError as error:
        return str(error)
    return ""


SIDECAR = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Sidecar",
    "metadata": {"name": "default"},
    "spec": {"egress": [{"hosts": ["./*"]}]},
}


def test_interception_without_net_admin_says_what_it_lacks(flotilla: Flotilla, namespace: str) -> None:
    """In the log of the container whose state `kubectl describe` shows."""
    container = {
        "name": "istio-init",
        "image": PROXY,
        "imagePullPolicy": "Never",
        "command": ["flotilla-agent", "interception", "-p", "15001", "-z", "15006", "-u", "1337", "-b", "*", "-i", "*"],
        "securityContext": {"runAsUser": 0, "runAsNonRoot": False, "capabilities": {"drop": ["ALL"]}},
    }
    make(flotilla, namespace, "weak", {"containers": [container], "restartPolicy": "Never"})
    until(lambda: phase(flotilla, namespace, "weak") == "Failed", "the container to end")
    assert "NET_ADMIN" in flotilla.cluster.kubectl("logs", "weak", "-n", namespace)


def test_a_namespace_that_forbids_net_admin_says_so_at_the_pod(flotilla: Flotilla, namespace: str) -> None:
    labels = ("istio-injection=enabled", "pod-security.kubernetes.io/enforce=restricted")
    flotilla.cluster.kubectl("label", "namespace", namespace, *labels)
    with pytest.raises(ClusterError, match=r"violates PodSecurity.*istio-init"):
        make(flotilla, namespace, "held", {"containers": [RESTRICTED]})


RESTRICTED = {
    "name": "app",
    "image": "localhost/flotilla/bookinfo:test",
    "imagePullPolicy": "Never",
    "command": ["sleep", "60"],
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def test_a_token_for_another_audience_is_told_in_the_proxys_log(flotilla: Flotilla, namespace: str) -> None:
    flotilla.cluster.kubectl("label", "namespace", namespace, "istio-injection=enabled")
    item = flotilla.cluster.kubectl("run", "stray", "-n", namespace, "--image=localhost/flotilla/bookinfo:test", "--image-pull-policy=Never", "--dry-run=server", "-o", "json", "--command", "--", "sleep", "60")  # fmt: skip
    pod = json.loads(item)
    for volume in pod["spec"]["volumes"]:
        if volume["name"] == "istio-token":
            volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "somebody-else"
    plain = {"apiVersion": "v1", "kind": "Pod", "spec": pod["spec"], "metadata": {"name": "stray", "namespace": namespace, "labels": {"sidecar.istio.io/inject": "false"}}}  # fmt: skip
    flotilla.cluster.kubectl("apply", "-f", "-", given=json.dumps(plain))
    log = lambda: flotilla.cluster.kubectl("logs", "stray", "-n", namespace, "-c", "istio-proxy")  # noqa: E731
    until(lambda: "audience" in log(), "the log to name the audience")
    assert "istio-ca" in log()


def make(flotilla: Flotilla, namespace: str, name: str, spec: dict[str, Any]) -> None:
    item = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, **spec},
    }
    flotilla.cluster.apply(item, namespace=namespace)


def phase(flotilla: Flotilla, namespace: str, name: str) -> str:
    return str(flotilla.cluster.get(f"pod/{name}", namespace)["status"].get("phase"))
