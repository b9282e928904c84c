"""Citadel and Mixer over a true API server, with the rights that the chart gives them and no others."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.kube.cluster.client import Cluster
from tests.kube.cluster.errors import ClusterError
from tests.kube.processes import Mesh, Service, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

NAME, KEY, MARK = "istio-ca-root-cert", "root-cert.pem", "flotilla.dev/citadel-id"
ONE, TWO, MIXER = "127.8.0.1", "127.8.0.2", "127.8.0.3"
ASK = Path(__file__).with_name("ask.py")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "reviews-1", "labels": {"app": "reviews"}},
    "spec": {
        "nodeName": "a-node-that-is-not-there",
        "containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 9080}]}],
    },
}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster, alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    name = f"mesh-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    made = Mesh(cluster, name, tmp_path_factory.mktemp("mesh"))
    made.grant()
    yield made
    made.revoke()
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def citadels(mesh: Mesh) -> Iterator[tuple[Service, Service]]:
    """Two replicas that started at the same moment on nothing. The second remembers no token."""
    forgetful = {"token_review_cache_seconds": "0"}
    with mesh.service("citadel", "one", ONE) as one, mesh.service("citadel", "two", TWO, **forgetful) as two:
        for each in (one, two):
            until(each.ready, f"readiness of {each.address}: {each.conditions()}")
        yield one, two


def root_in(cluster: Cluster, namespace: str) -> str:
    """Empty where there is none."""
    try:
        found = cluster.get(f"configmap/{NAME}", namespace)
    except ClusterError:
        return ""
    return str(found["data"].get(KEY, ""))


def ask(mesh: Mesh, address: str, identity: str, token: Path) -> tuple[bool, list[str]]:
    """Whether Citadel signed, and the names in the certificate or what it said."""
    root = mesh.folder / "root.pem"
    if not root.exists():
        root.write_text(root_in(mesh.cluster, mesh.namespace))
    server_name = f"istio-citadel.{mesh.namespace}.svc"
    program = [sys.executable, str(ASK), f"{address}:8060", server_name, str(root), str(token), identity]
    command = mesh.cluster.node.inside(*program, mounts=False, processes=False)
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode in (0, 1), answer.stderr
    return answer.returncode == 0, answer.stdout.strip().splitlines()


def test_replicas_that_start_together_have_one_root(mesh: Mesh, citadels: tuple[Service, Service]) -> None:
    one, two = (each.debug("root") for each in citadels)
    assert one["serial"] == two["serial"]
    secret = mesh.cluster.get("secret/istio-ca-secret", mesh.namespace)
    assert secret["type"] == "istio.io/ca-root"
    assert sorted(secret["data"]) == ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "key.pem", "root-cert.pem"]
    until(lambda: [each.debug("root")["config_maps"]["leader"] for each in citadels].count(True) == 1)


def test_every_namespace_gets_the_root_and_gets_it_back(
    mesh: Mesh, citadels: tuple[Service, Service], namespace: str
) -> None:
    cluster, root = mesh.cluster, root_in(mesh.cluster, mesh.namespace)
    assert until(lambda: root_in(cluster, namespace)) == root
    assert until(lambda: root_in(cluster, "kube-system")) == root
    cluster.kubectl("patch", "configmap", NAME, "-n", namespace, "--type=merge", "-p", json.dumps({"data": {KEY: "x"}}))
    until(lambda: root_in(cluster, namespace) == root, "it is repaired")
    cluster.kubectl("delete", "configmap", NAME, "-n", namespace)
    until(lambda: root_in(cluster, namespace) == root, "it is made again")
    assert root_in(cluster, "kube-public") == ""


def test_anothers_root_is_told_and_left(mesh: Mesh, citadels: tuple[Service, Service], namespace: str) -> None:
    cluster = mesh.cluster
    until(lambda: root_in(cluster, namespace))
    others = {"metadata": {"annotations": {MARK: None}}, "data": {KEY: "another root"}}
    cluster.kubectl("patch", "configmap", NAME, "-n", namespace, "--type=merge", "-p", json.dumps(others))

    def event() -> str:
        found = cluster.get("events", namespace)["items"]
        return next((each["message"] for each in found if each["reason"] == "ForeignRoot"), "")

    assert until(event).startswith(f"ConfigMap {namespace}/{NAME} holds another root")
    assert root_in(cluster, namespace) == "another root"
    for each in citadels:
        until(lambda seen=each: namespace in str(seen.debug("root")["config_maps"]["problems"]))
        assert each.ready()


def test_a_namespace_that_goes_is_quiet(mesh: Mesh, citadels: tuple[Service, Service]) -> None:
    cluster = mesh.cluster
    for number in range(5):
        name = f"{mesh.namespace}-{number}"
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("delete", "namespace", name, "--wait=false")
    until(
        lambda: (
            not [
                name
                for name in cluster.kubectl("get", "namespaces", "-o", "name").split()
                if f"{mesh.namespace}-" in name
            ]
        )
    )
    for each in citadels:
        assert f"{mesh.namespace}-" not in str(each.debug("root")["config_maps"]["problems"])
        assert each.debug("root")["config_maps"]["namespaces"]["failed"] == 0


def test_who_holds_which_token(mesh: Mesh, citadels: tuple[Service, Service], namespace: str) -> None:
    """The API server says it: audience, account, and the Pod that a token is bound to."""
    cluster, identity = mesh.cluster, f"spiffe://cluster.local/ns/{namespace}/sa/default"
    until(lambda: "default" in cluster.kubectl("get", "serviceaccounts", "-n", namespace, "-o", "name"))
    assert ask(mesh, ONE, identity, mesh.token("default", namespace, "--audience=istio-ca")) == (True, [identity])
    signed, text = ask(mesh, ONE, identity, mesh.token("default", namespace))
    assert (signed, "another audience: one for istio-ca is needed" in text[0]) == (False, True)
    cluster.apply(POD, namespace=namespace)
    bound = mesh.token(
        "default", namespace, "--audience=istio-ca", "--bound-object-kind=Pod", "--bound-object-name=reviews-1"
    )
    assert ask(mesh, ONE, identity, bound)[0]
    issued = citadels[0].debug(f"certificates?identity={namespace}")["certificates"]
    assert issued[0]["pod"] == f"{namespace}/reviews-1"
    cluster.kubectl("delete", "pod", "reviews-1", "-n", namespace, "--force", "--grace-period=0")
    until(lambda: not ask(mesh, TWO, identity, bound)[0], "a deleted Pod's token ends")  # the API server remembers, too
    assert "the API server does not accept the token" in ask(mesh, TWO, identity, bound)[1][0]


@pytest.mark.parametrize("service", ["galley", "pilot"])
def test_webhooks_get_the_names_that_the_api_server_calls(
    mesh: Mesh, citadels: tuple[Service, Service], service: str
) -> None:
    account = f"istio-{service}-service-account"
    token = mesh.token(account, mesh.namespace, "--audience=istio-ca")
    signed, names = ask(mesh, ONE, f"spiffe://cluster.local/ns/{mesh.namespace}/sa/{account}", token)
    assert signed, names
    assert f"istio-{service}.{mesh.namespace}.svc" in names


def test_mixer_knows_pods_with_its_rights_alone(mesh: Mesh, citadels: tuple[Service, Service]) -> None:
    token = mesh.token("istio-mixer-service-account", mesh.namespace, "--audience=istio-ca")
    root = mesh.folder / "mixer-root.pem"
    root.write_text(root_in(mesh.cluster, mesh.namespace))
    more = {"citadel_address": f"{ONE}:8060", "root_cert_file": str(root), "token_file": str(token)}
    with mesh.service("mixer", "mixer", MIXER, **more) as mixer:

        def known() -> bool:
            found = mixer.conditions()
            return [found.get(name) for name in ("certificate", "pods", "services")] == ["met"] * 3

        until(known, f"Mixer's watches: {mixer.conditions()}")
        assert "flotilla_kube_failures_total{" not in mixer.page("metrics")


def test_while_the_api_server_is_away_nothing_is_believed_and_nothing_lost(
    mesh: Mesh, citadels: tuple[Service, Service], namespace: str
) -> None:
    cluster, identity = mesh.cluster, f"spiffe://cluster.local/ns/{namespace}/sa/default"
    until(lambda: "default" in cluster.kubectl("get", "serviceaccounts", "-n", namespace, "-o", "name"))
    token = mesh.token("default", namespace, "--audience=istio-ca")
    root = (mesh.folder / "root.pem").read_text()
    cluster.stop("kube-apiserver", signal.SIGKILL)
    try:
        signed, text = ask(mesh, ONE, identity, token)
        assert not signed
        assert "the API server does not answer" in text[0]
        assert all(each.ready() for each in citadels)
    finally:
        cluster.start("kube-apiserver")
    until(lambda: ask(mesh, ONE, identity, token) == (True, [identity]))
    assert (mesh.folder / "root.pem").read_text() == root
    cluster.kubectl("delete", "configmap", NAME, "-n", namespace)
    until(lambda: root_in(cluster, namespace) == root, "the watches and the Lease are back")


def test_a_secret_that_goes_is_told_and_the_root_stays(mesh: Mesh, citadels: tuple[Service, Service]) -> None:
    cluster, secret = mesh.cluster, mesh.cluster.get("secret/istio-ca-secret", mesh.namespace)
    serial = citadels[0].debug("root")["serial"]
    cluster.kubectl("delete", "secret", "istio-ca-secret", "-n", mesh.namespace)
    until(lambda: [each.debug("root")["secret"]["state"] for each in citadels] == ["deleted"] * 2)
    assert {each.debug("root")["serial"] for each in citadels} == {serial}
    secret["metadata"] = {"name": "istio-ca-secret"}
    cluster.apply(secret, namespace=mesh.namespace)
    until(lambda: [each.debug("root")["secret"]["state"] for each in citadels] == ["same"] * 2)
