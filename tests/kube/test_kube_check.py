"""`flotilla check` on a real mesh; and what only a real API server shows of the charts: who owns which field, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import NAMESPACE, Flotilla, check, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

CONFIGURATIONS = ("mutatingwebhookconfiguration/istio-sidecar-injector", "validatingwebhookconfiguration/istio-galley")


def test_an_installation_has_no_problem(flotilla: Flotilla) -> None:
    found = until(lambda: check(flotilla), "flotilla check without a problem")
    assert "problem" not in found.values()
    assert "skipped" not in found.values()
    assert any(
        text.startswith("istio-sidecar-injector leads to istio-pilot, which the API server trusts") for text in found
    )


def test_the_cluster_is_told_to_be_taken_before_a_second_installation(flotilla: Flotilla) -> None:
    with pytest.raises(ClusterError, match="already injects sidecars for revision default"):
        check(flotilla, "--pre")
    assert "problem" not in check(flotilla, "--pre", "--revision", "blue").values()


def test_what_is_wrong_is_found(flotilla: Flotilla, namespace: str) -> None:
    flotilla.cluster.kubectl("label", "namespace", namespace, "istio.io/rev=nobody")
    with pytest.raises(
        ClusterError, match=f"Namespace {namespace} asks for sidecars of revision nobody, and nobody injects"
    ):
        check(flotilla)


def owners(configuration: dict[str, Any]) -> set[str]:
    """Who owns a caBundle in it."""
    return {each["manager"] for each in configuration["metadata"]["managedFields"] if "f:caBundle" in json.dumps(each)}


def bundles(configuration: dict[str, Any]) -> set[str]:
    return {each["clientConfig"].get("caBundle", "") for each in configuration["webhooks"]}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_upgrade_keeps_the_services_ca_bundle(flotilla: Flotilla, name: str) -> None:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(flotilla.cluster.kubectl("get", name, "-o", "json", "--show-managed-fields"))
        return found

    before = look()
    flotilla.install("--set", "galley.webhook.timeoutSeconds=4", "--set", "pilot.injection.timeoutSeconds=4")
    after = look()
    flotilla.install()
    assert {each["timeoutSeconds"] for each in after["webhooks"]} == {4}
    assert bundles(after) == bundles(before) != {""}
    assert len(owners(after)) == 1
    assert owners(after) == owners(before)
    assert not [manager for manager in owners(after) if manager.startswith("helm")]


QUOTA = {
    "apiVersion": "config.istio.io/v1alpha2",
    "kind": "handler",
    "metadata": {"name": "in-memory"},
    "spec": {
        "compiledAdapter": "memquota",
        "params": {"quotas": [{"name": "q", "maxAmount": 1, "validDuration": "1s"}]},
    },
}


def test_quotas_in_memory_are_refused_where_there_is_more_than_one_mixer(flotilla: Flotilla, namespace: str) -> None:
    flotilla.install("--set", "mixer.replicas=2")
    try:
        until(lambda: refusal(flotilla, namespace), "handlers of memquota to be refused")
        assert "Use redisquota, or one replica" in str(refusal(flotilla, namespace))
        flotilla.install("--set", "mixer.replicas=2", "--set", "mixer.memoryQuotasPerReplica=true")
        until(lambda: refusal(flotilla, namespace) is None, "handlers of memquota to be taken")
    finally:
        flotilla.cluster.kubectl("delete", "handler", "in-memory", "-n", namespace, "--ignore-not-found")
        flotilla.install()


def refusal(flotilla: Flotilla, namespace: str) -> str | None:
    """What the API server says against the handler; None when it takes it."""
    try:
        flotilla.cluster.apply(QUOTA, namespace=namespace)
    except ClusterError as error:
        return str(error)
    flotilla.cluster.kubectl("delete", "handler", "in-memory", "-n", namespace)
    return None


def test_the_meshs_namespace_may_enforce_the_restricted_standard(flotilla: Flotilla) -> None:
    """Every pod of the chart would be admitted, the one of `helm test` included, and one that is not restricted would not."""
    label = "pod-security.kubernetes.io/enforce"
    flotilla.cluster.kubectl("label", "namespace", NAMESPACE, f"{label}=restricted", "--overwrite")
    try:
        for deployment in flotilla.cluster.get("deployments", NAMESPACE)["items"]:
            admit(flotilla, deployment["metadata"]["name"], deployment["spec"]["template"]["spec"])
        assert flotilla.cluster.helm("test", "flotilla", "-n", NAMESPACE, "--timeout", "120s")
        with pytest.raises(ClusterError, match="violates PodSecurity"):
            admit(flotilla, "careless", {"containers": [{"name": "careless", "image": "any"}]})
    finally:
        flotilla.cluster.kubectl("label", "namespace", NAMESPACE, f"{label}-")


def admit(flotilla: Flotilla, name: str, spec: dict[str, Any]) -> None:
    """As if a pod were made. Raises ClusterError when it is refused."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-admitted"}, "spec": spec}
    flotilla.cluster.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", given=json.dumps(pod))
