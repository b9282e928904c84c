"""The cluster itself: what Flotilla needs of a Kubernetes is there and works."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from urllib.request import urlopen
from uuid import uuid4

import dns.resolver
import pytest

from tests.kube.cluster.binaries import VERSION
from tests.kube.cluster.client import Cluster, pods_of
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import DNS_ADDRESS, NODE_ADDRESS, NODE_NAME
from tests.kube.denier import denier
from tests.kube.web import LED_PORT, REPLICAS, web

pytestmark = [pytest.mark.kube, pytest.mark.timeout(180)]

RESOLVE = "import socket,sys; print(*sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 80)}))"


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[str]:
    """A namespace in which the web server of `web` is ready."""
    cluster.images("bookinfo")
    name = f"shop-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.apply(*web(), namespace=name)
    cluster.rollout("deployment/web", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def pods(cluster: Cluster, shop: str) -> dict[str, str]:
    """Name -> address."""
    return {item["metadata"]["name"]: item["status"]["podIP"] for item in cluster.get("pods", shop)["items"]}


def test_the_node_is_ready_and_of_the_pinned_version(cluster: Cluster) -> None:
    node = cluster.get(f"node/{NODE_NAME}")
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{VERSION}"
    assert json.loads(cluster.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == f"v{VERSION}"


def test_an_init_container_with_net_admin_leads_traffic(cluster: Cluster, pods: dict[str, str]) -> None:
    with cluster.network():
        answers = {_get(f"http://{address}:{LED_PORT}/") for address in pods.values()}
    assert answers == set(pods)


def test_a_service_spreads_over_its_pods(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    address = cluster.get("service/web", shop)["spec"]["clusterIP"]
    cluster.wait_reachable(address, 80)
    met: set[str] = set()
    with cluster.network():
        while met != set(pods):  # the test's time limit ends it: a pod's rule may come a moment after the pod is ready
            met.add(_get(f"http://{address}/"))
    assert len(met) == REPLICAS


@pytest.mark.parametrize("suffix", ["", ".{ns}", ".{ns}.svc", ".{ns}.svc.cluster.local"])
def test_a_pod_finds_a_service_by_all_its_names(cluster: Cluster, shop: str, pods: dict[str, str], suffix: str) -> None:
    address = cluster.get("service/web", shop)["spec"]["clusterIP"]
    found = cluster.exec(next(iter(pods)), "python3", "-c", RESOLVE, "web" + suffix.format(ns=shop), namespace=shop)
    assert found.split() == [address]


def test_a_headless_service_gives_its_pods(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    found = cluster.exec(next(iter(pods)), "python3", "-c", RESOLVE, "web-pods", namespace=shop)
    assert set(found.split()) == set(pods.values())


def test_the_dns_service_answers_srv(cluster: Cluster, shop: str) -> None:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [DNS_ADDRESS]
    with cluster.network():
        answer = resolver.resolve(f"_http._tcp.web.{shop}.svc.cluster.local", "SRV")
    assert [(record.port, record.target.to_text()) for record in answer] == [(80, f"web.{shop}.svc.cluster.local.")]


def test_a_name_that_is_not_there_is_no_name(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    with pytest.raises(ClusterError, match="Name or service not known"):
        cluster.exec(next(iter(pods)), "python3", "-c", RESOLVE, "nowhere", namespace=shop)


def test_logs_and_exec(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    name, address = next(iter(pods.items()))
    with cluster.network():
        _get(f"http://{address}:8080/?seen")
    assert "GET /?seen" in cluster.kubectl("logs", name, "--namespace", shop)
    assert cluster.exec(name, "id", "-u", namespace=shop).strip() == "1337"
    with pytest.raises(ClusterError, match="Read-only file system"):
        cluster.exec(name, "touch", "/opt/file", namespace=shop)


def test_a_projected_token_is_of_its_pod_and_audience(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    name = next(iter(pods))
    token = cluster.exec(name, "cat", "/var/run/secrets/tokens/istio-token", namespace=shop)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["istio-ca"]},
    }
    status = json.loads(cluster.kubectl("create", "-f", "-", "-o", "json", given=json.dumps(review)))["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["istio-ca"])
    assert status["user"]["username"] == f"system:serviceaccount:{shop}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == [name]


def test_the_api_server_reaches_a_webhook_in_a_pod(cluster: Cluster, namespace: str) -> None:
    cluster.images("bookinfo")
    parts, configuration = denier(namespace)
    cluster.apply(*parts, namespace=namespace)
    cluster.wait("pod/denier", namespace=namespace)
    cluster.wait_reachable(cluster.get("service/denier", namespace)["spec"]["clusterIP"], 443)
    cluster.apply(configuration)
    try:
        with pytest.raises(ClusterError, match=r'"denier.flotilla.dev" denied the request: bad is not wanted here'):
            cluster.kubectl("create", "configmap", "one", "--from-literal=bad=1", "--namespace", namespace)
        cluster.kubectl("create", "configmap", "two", "--from-literal=good=1", "--namespace", namespace)
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", namespace)


def test_a_component_can_be_stopped_and_started(cluster: Cluster, shop: str, pods: dict[str, str]) -> None:
    cluster.stop("kube-apiserver")
    try:
        with pytest.raises(ClusterError, match="refused"):
            cluster.kubectl("get", "pods", "--namespace", shop)
        with cluster.network():  # what runs goes on
            assert {_get(f"http://{address}:8080/") for address in pods.values()} == set(pods)
    finally:
        cluster.start("kube-apiserver")
    assert set(pods_of(cluster.get("pods", shop))) == set(pods)


def test_nothing_leads_out_of_the_node(cluster: Cluster) -> None:
    routes = json.loads(cluster.run("ip", "-j", "route"))
    devices = {link["ifname"] for link in json.loads(cluster.run("ip", "-j", "link"))}
    assert {route["dev"] for route in routes} <= {"n0", "cni0"}
    assert {device for device in devices if not device.startswith("veth")} <= {"lo", "n0", "n1", "cni0"}
    assert NODE_ADDRESS not in {info["local"] for link in _addresses() for info in link["addr_info"]}


def _addresses() -> list[dict[str, list[dict[str, str]]]]:
    return list(json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True).stdout))


def _get(url: str) -> str:
    with urlopen(url, timeout=5) as response:
        return str(response.read().decode()).strip()
