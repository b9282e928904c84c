"""`helm install` of both charts: five Deployments ready, and `helm test` proves them from inside."""

from __future__ import annotations

import json

import pytest

from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import CHARTS, DEPLOYMENTS, NAMESPACE, SERVICES, VALUES, Flotilla

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]


def test_four_services_and_a_gateway_are_ready(flotilla: Flotilla) -> None:
    found = {
        item["metadata"]["name"]: item["status"] for item in flotilla.cluster.get("deployments", NAMESPACE)["items"]
    }
    assert set(found) == set(DEPLOYMENTS)
    assert {name: status.get("readyReplicas") for name, status in found.items()} == dict.fromkeys(DEPLOYMENTS, 1)


def test_helm_test_passes(flotilla: Flotilla) -> None:
    said = flotilla.cluster.helm("test", "flotilla", "-n", NAMESPACE, "--timeout", "120s")
    assert "Succeeded" in said


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_says_that_it_is_ready_and_which_version_it_is(flotilla: Flotilla, service: str) -> None:
    assert flotilla.get(f"istio-{service}", 15014, "/readyz").status_code == 200
    assert json.loads(flotilla.get(f"istio-{service}", 15014, "/version").text)["version"]


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_has_been_restarted(flotilla: Flotilla, service: str) -> None:
    """A service waits for those that it needs; it does not die of their absence."""
    for pod in flotilla.pods(service):
        statuses = flotilla.cluster.get(f"pod/{pod}", NAMESPACE)["status"]["containerStatuses"]
        assert [each["restartCount"] for each in statuses] == [0] * len(statuses)


def test_a_wrong_key_is_refused_before_anything_is_changed(flotilla: Flotilla) -> None:
    with pytest.raises(ClusterError, match="replikas"):
        flotilla.cluster.helm(
            "upgrade",
            "flotilla",
            str(CHARTS["flotilla"]),
            "-n",
            NAMESPACE,
            "-f",
            str(VALUES),
            "--set",
            "mixer.replikas=2",
        )
