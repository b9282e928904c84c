"""A value changes under traffic; and at the end nothing is left of an installation that was removed."""

from __future__ import annotations

import pytest

from flotilla_cli.demo.traffic import Traffic
from tests.kube.flotilla import NAMESPACE, Flotilla, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400)]


def test_an_upgrade_with_a_changed_value_fails_no_request(flotilla: Flotilla, traffic: Traffic) -> None:
    before = {service: flotilla.pods(service) for service in ("galley", "pilot", "citadel", "mixer")}
    assert traffic.wait_for_more(5)
    flotilla.install("--set", "global.logLevel=debug")
    assert traffic.wait_for_more(10)
    after = {service: flotilla.pods(service) for service in before}
    assert all(set(after[service]).isdisjoint(before[service]) for service in before), "the change reached no pod"
    flotilla.install()
    assert traffic.wait_for_more(10)


def test_nothing_is_left_after_uninstall(flotilla: Flotilla) -> None:
    flotilla.uninstall()
    try:
        for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
            assert not named(flotilla, kind), kind
        for kind in (
            "deployments",
            "services",
            "leases",
            "roles",
            "rolebindings",
            "poddisruptionbudgets",
            "networkpolicies",
        ):
            assert not named(flotilla, kind, NAMESPACE), kind
        for kind in ("clusterroles", "clusterrolebindings"):
            assert not [name for name in named(flotilla, kind) if "istio" in name or "flotilla" in name], kind
        until(lambda: not roots(flotilla), "all ConfigMaps with the root to be gone")
        left = set(named(flotilla, "configmaps", NAMESPACE)) - {"kube-root-ca.crt"}
        assert not left, left
    finally:
        flotilla.install()


def named(flotilla: Flotilla, kind: str, namespace: str = "default") -> list[str]:
    return [item["metadata"]["name"] for item in flotilla.cluster.get(kind, namespace)["items"]]


def roots(flotilla: Flotilla) -> str:
    return flotilla.cluster.kubectl(
        "get", "configmaps", "-A", "--field-selector=metadata.name=istio-ca-root-cert", "-o", "name"
    )
