"""What Citadel keeps in the cluster: its root in a Secret, the root's certificate in every namespace; looked at with kubectl and openssl."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

import pytest

from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import NAMESPACE, Flotilla, check, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(180)]

ROOT_MAP = "configmap/istio-ca-root-cert"
LEFT_OUT = {"kube-public", "kube-node-lease", "local-path-storage"}


def secret(flotilla: Flotilla) -> dict[str, str]:
    found = flotilla.cluster.get("secret/istio-ca-secret", NAMESPACE)
    assert found["type"] == "istio.io/ca-root"
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def published(flotilla: Flotilla, namespace: str) -> str:
    return str(flotilla.cluster.get(ROOT_MAP, namespace)["data"]["root-cert.pem"])


def test_the_secret_holds_one_certificate_and_its_key(flotilla: Flotilla) -> None:
    held = secret(flotilla)
    assert held["ca-cert.pem"] == held["root-cert.pem"]
    assert held["cert-chain.pem"] == held["key.pem"] == ""
    of_key = openssl("pkey", "-pubout", given=held["ca-key.pem"])
    assert of_key == openssl("x509", "-noout", "-pubkey", given=held["ca-cert.pem"])
    assert "CA:TRUE" in openssl("x509", "-noout", "-text", given=held["ca-cert.pem"])


def openssl(*arguments: str, given: str) -> str:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, check=True).stdout


def test_every_namespace_has_the_same_root(flotilla: Flotilla) -> None:
    root = secret(flotilla)["root-cert.pem"]
    listed = {
        item["metadata"]["name"]
        for item in flotilla.cluster.get("namespaces")["items"]
        if item["status"]["phase"] == "Active"
    }
    for name in listed - LEFT_OUT:
        assert until(lambda name=name: published(flotilla, name), f"the root in {name}") == root
    for name in listed & LEFT_OUT:
        with pytest.raises(ClusterError, match="not found"):
            published(flotilla, name)


def test_a_namespace_made_a_moment_ago_has_it(flotilla: Flotilla, namespace: str) -> None:
    assert (
        until(lambda: published(flotilla, namespace), "the root in a new namespace")
        == secret(flotilla)["root-cert.pem"]
    )


@pytest.mark.parametrize(
    "harm",
    [
        ("patch", ROOT_MAP, "--type=merge", "-p", json.dumps({"data": {"root-cert.pem": "something else"}})),
        ("patch", ROOT_MAP, "--type=json", "-p", json.dumps([{"op": "remove", "path": "/data/root-cert.pem"}])),
        ("delete", ROOT_MAP, "--wait=false"),
    ],
    ids=["edited", "emptied", "deleted"],
)
def test_what_is_ours_is_repaired(flotilla: Flotilla, namespace: str, harm: tuple[str, ...]) -> None:
    root = secret(flotilla)["root-cert.pem"]
    until(lambda: published(flotilla, namespace), "the root in a new namespace")
    before = flotilla.cluster.get(ROOT_MAP, namespace)["metadata"]
    assert before["labels"]["istio.io/config"] == "true"
    flotilla.cluster.kubectl(harm[0], "-n", namespace, *harm[1:])

    def repaired() -> bool:
        found = flotilla.cluster.get(ROOT_MAP, namespace)
        return (
            found["metadata"]["resourceVersion"] != before["resourceVersion"]
            and found["data"].get("root-cert.pem") == root
        )

    until(repaired, "the ConfigMap to be repaired")


def test_what_is_another_meshs_is_left_alone_and_told(flotilla: Flotilla, namespace: str) -> None:
    until(lambda: published(flotilla, namespace), "the root in a new namespace")
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio-ca-root-cert"},
        "data": {"root-cert.pem": "theirs"},
    }
    flotilla.cluster.kubectl("replace", "-n", namespace, "-f", "-", given=json.dumps(foreign))
    event = until(lambda: event_of(flotilla, namespace), "an Event that tells of the foreign root")
    assert "istio-ca-root-cert" in event["message"]
    assert published(flotilla, namespace) == "theirs"
    state = frozenset({("state", "foreign")})
    until(lambda: flotilla.metrics("citadel", "citadel_root_namespaces").get(state) == 1, "the gauge of foreign roots")
    with pytest.raises(ClusterError, match=f"{namespace}[^\n]*another mesh"):
        check(flotilla)
    flotilla.cluster.kubectl("rollout", "restart", "-n", NAMESPACE, "deployment/istio-citadel")
    flotilla.cluster.rollout("deployment/istio-citadel", NAMESPACE, "120s")
    until(lambda: again(event_of(flotilla, namespace), event), "the new leader to tell it again, in the same Event")


def again(event: dict[str, Any] | None, before: dict[str, Any]) -> bool:
    return event is not None and event["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


def event_of(flotilla: Flotilla, namespace: str) -> dict[str, Any] | None:
    events = flotilla.cluster.get("events", namespace)["items"]
    return next((each for each in events if each["involvedObject"].get("name") == "istio-ca-root-cert"), None)


@pytest.mark.parametrize("service", ["galley", "pilot"])
def test_webhooks_are_trusted_by_the_root(flotilla: Flotilla, service: str) -> None:
    kind, name = {
        "galley": ("validatingwebhookconfiguration", "istio-galley"),
        "pilot": ("mutatingwebhookconfiguration", "istio-sidecar-injector"),
    }[service]
    hooks = flotilla.cluster.get(f"{kind}/{name}")["webhooks"]
    root = secret(flotilla)["root-cert.pem"]
    assert {base64.b64decode(hook["clientConfig"]["caBundle"]).decode() for hook in hooks} == {root}


def test_a_caBundle_that_somebody_empties_is_put_back(flotilla: Flotilla) -> None:
    change = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]
    flotilla.cluster.kubectl(
        "patch", "mutatingwebhookconfiguration/istio-sidecar-injector", "--type=json", "-p", json.dumps(change)
    )
    until(
        lambda: flotilla.cluster.get("mutatingwebhookconfiguration/istio-sidecar-injector")["webhooks"][0][
            "clientConfig"
        ].get("caBundle"),
        "the caBundle to be put back",
    )
