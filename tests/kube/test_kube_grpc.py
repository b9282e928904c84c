"""Pods without an Envoy: gRPC's own client and server, with an agent each, in a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.flotilla import Flotilla, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(240)]

PROGRAM = Path(__file__).parents[1] / "proxyless" / "echo.py"
IMAGE = "localhost/flotilla/proxy:test"
PORT = 7070
TARGET = f"xds:///echo:{PORT}"


def pods(namespace: str) -> str:
    """Two servers of two versions, a client that waits to be told, and what they need."""
    documents = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "echo"},
            "data": {"echo.py": PROGRAM.read_text()},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "echo"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "echo"},
            "spec": {"selector": {"app": "echo"}, "ports": [{"name": "grpc", "port": PORT}]},
        },
        *(pod(name, ["serve", f"0.0.0.0:{PORT}", name], app="echo", version=name) for name in ("v1", "v2")),
        pod("client", [], app="client"),
        security(namespace, "ISTIO_MUTUAL", "STRICT"),
    ]
    return "\n---\n".join(json.dumps(each) for each in documents)


def pod(name: str, arguments: list[str], **labels: str) -> dict[str, object]:
    command = ["python", "/echo/echo.py", *arguments] if arguments else ["sleep", "86400"]
    container = {
        "name": "echo",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": command,
        "volumeMounts": [{"name": "program", "mountPath": "/echo"}],
    }
    metadata = {"name": name, "labels": labels, "annotations": {"inject.istio.io/templates": "grpc-agent"}}
    spec = {
        "serviceAccountName": "echo",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": "echo"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def security(namespace: str, client: str, server: str) -> dict[str, object]:
    """What clients send, and what servers take."""
    versions = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    rule = {
        "host": f"echo.{namespace}.svc.cluster.local",
        "trafficPolicy": {"tls": {"mode": client}},
        "subsets": versions,
    }
    items = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "echo"},
            "spec": rule,
        },
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "default"},
            "spec": {"mtls": {"mode": server}},
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


class Echo:
    """The running pods."""

    def __init__(self, flotilla: Flotilla, namespace: str) -> None:
        self.cluster, self.namespace = flotilla.cluster, namespace

    def apply(self, document: dict[str, object]) -> None:
        self.cluster.kubectl("apply", "-n", self.namespace, "-f", "-", given=json.dumps(document))

    def answers(self, times: int) -> list[str]:
        """Who answered a new channel's calls."""
        asked = f"yes | head -{times} | python /echo/echo.py call {TARGET} seconds=5 2>/dev/null"
        return self.cluster.exec("client", "sh", "-c", asked, namespace=self.namespace, container="echo").split("\n")[
            :times
        ]


@pytest.fixture
def echo(flotilla: Flotilla, namespace: str) -> Iterator[Echo]:
    cluster = flotilla.cluster
    cluster.kubectl("label", "namespace", namespace, "istio-injection=enabled")
    cluster.kubectl("apply", "-n", namespace, "-f", "-", given=pods(namespace))
    for name in ("v1", "v2", "client"):
        cluster.wait(f"pod/{name}", namespace=namespace)
    yield Echo(flotilla, namespace)
    assert flotilla.rejections() == 0


def test_calls_by_name_with_mutual_tls_follow_the_routes(echo: Echo) -> None:
    until(lambda: set(echo.answers(20)) == {"v1", "v2"}, "both versions to answer")
    container = {each["name"] for each in echo.cluster.get("pod/client", echo.namespace)["spec"]["containers"]}
    assert container == {"echo", "istio-proxy"}
    route = [{"route": [{"destination": {"host": "echo", "subset": "v2"}}]}]
    echo.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "echo"},
            "spec": {"hosts": ["echo"], "http": route},
        }
    )
    until(lambda: set(echo.answers(10)) == {"v2"}, "the route to v2")
    echo.apply(security(echo.namespace, "DISABLE", "STRICT"))
    until(lambda: echo.answers(1)[0].startswith(("UNAVAILABLE", "DEADLINE")), "plain text to be refused")
