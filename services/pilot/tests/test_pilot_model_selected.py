"""Workloads that are selected: pods by ServiceEntries, WorkloadEntries by Kubernetes Services."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from flotilla_pilot.compile.containment import Parts
from flotilla_pilot.model.services import Service
from flotilla_pilot.offline.kubernetes import read_kubernetes
from flotilla_pilot.registries.workloads import PodWorkloads
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy


def pod(
    name: str = "p", address: str = "10.1.0.1", ready: str = "True", meta: str = "", namespace: str = "shop"
) -> str:
    return f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: web, security.istio.io/tlsMode: istio}}, {meta}}}
spec: {{serviceAccountName: web, nodeName: n1}}
status: {{podIP: "{address}", conditions: [{{type: Ready, status: "{ready}"}}]}}
"""


NODE = """
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1}}
"""
ENTRY = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  workloadSelector: {labels: {app: web}}
"""


def workload(name: str = "vm", address: str = "10.2.0.1", spec: str = "", namespace: str = "shop") -> str:
    stated = f"address: {address}, labels: {{app: web}}, serviceAccount: web"
    return f"""
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{stated}{", " if spec else ""}{spec}}}
"""


def kubernetes(spec: str = "clusterIP: 10.96.0.1", ports: str = "port: 80, targetPort: 8080") -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{{spec}, selector: {{app: web}}, ports: [{{name: http, {ports}}}]}}
"""


SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: p, namespace: shop}}]
"""


def only(mesh: Mesh) -> Service:
    (service,) = mesh.snapshot.services
    return service


def addresses(text: str) -> list[tuple[str, int]]:
    service = only(Mesh(text))
    return [(each.address, each.port_for(service.ports[0])) for each in service.endpoints]


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("a pod", pod(), [("10.1.0.1", 8080)]),
        ("a pod and a WorkloadEntry", workload() + pod(), [("10.2.0.1", 8080), ("10.1.0.1", 8080)]),
        ("a pod that is not ready", pod(ready="False"), []),
        ("a pod that is about to end", pod(meta="deletionTimestamp: '2026-01-01T00:00:00Z'"), []),
        ("a pod without an address", pod(address=""), []),
        ("another namespace's", pod(namespace="far"), []),
        ("two, by name", pod("q", "10.1.0.2") + pod(), [("10.1.0.1", 8080), ("10.1.0.2", 8080)]),
    ],
)
def test_what_a_service_entry_selects(case: str, text: str, expected: list[tuple[str, int]]) -> None:
    assert addresses(ENTRY + text) == expected, case


def test_a_selected_pod_is_called_as_itself(validate: Callable[[Compiled], None]) -> None:
    mesh = Mesh(ENTRY + pod() + NODE)
    (endpoint,) = only(mesh).endpoints
    assert (endpoint.service_account, endpoint.tls_mode, endpoint.locality, endpoint.node) == (
        "web",
        "istio",
        "r1",
        "n1",
    )
    client = mesh.compile(make_proxy("c", namespace="shop", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.9"))
    (group,) = as_dict(client.endpoints["outbound|80||web.example"])["endpoints"]
    assert group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] == 8080
    server = mesh.compile(make_proxy("p", namespace="shop", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.1"))
    assert "inbound|8080||" in server.clusters
    validate(client)
    validate(server)


def test_a_pod_that_moves_makes_another_snapshot() -> None:
    first, second = Mesh(ENTRY + pod()).snapshot, Mesh(ENTRY + pod(address="10.1.0.7")).snapshot
    assert first.version != second.version
    assert first.shape != second.shape
    unselected = [Mesh(pod(address=each)).snapshot.version for each in ("10.1.0.1", "10.1.0.7")]
    assert unselected[0] == unselected[1]


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("the target port", kubernetes() + workload(), [("10.2.0.1", 8080)]),
        ("its own port by name", kubernetes() + workload(spec="ports: {http: 7070}"), [("10.2.0.1", 7070)]),
        ("no target port", kubernetes(ports="port: 80") + workload(), [("10.2.0.1", 80)]),
        ("beside pods", kubernetes() + SLICE + pod() + workload(), [("10.1.0.1", 8080), ("10.2.0.1", 8080)]),
        ("one that is a pod too", kubernetes() + SLICE + pod() + workload(address="10.1.0.1"), [("10.1.0.1", 8080)]),
        ("a name is no address", kubernetes() + workload(address="vm.example"), []),
        ("another namespace's", kubernetes() + workload(namespace="far"), []),
        ("headless", kubernetes("clusterIP: None") + workload(), [("10.2.0.1", 8080)]),
        (
            "ExternalName selects nobody",
            kubernetes("type: ExternalName, externalName: x.example") + workload(),
            [("x.example", 8080)],
        ),
    ],
)
def test_what_a_kubernetes_service_selects(case: str, text: str, expected: list[tuple[str, int]]) -> None:
    assert addresses(text) == expected, case


def test_what_is_built_again_from_a_snapshot_is_equal() -> None:
    snapshot = Mesh(ENTRY + kubernetes() + SLICE + pod() + workload()).snapshot
    again = Parts.of(snapshot).build()
    assert again.version == snapshot.version
    assert [each.version for each in again.services] == [each.version for each in snapshot.services]


def test_a_pod_that_stays_is_the_identical_value() -> None:
    held = PodWorkloads()
    documents: list[Any] = [each for each in yaml.safe_load_all(pod() + NODE) if each]
    objects = read_kubernetes(documents)
    assert held.convert(objects)[0] is held.convert(objects)[0]
    (moved,) = held.convert(read_kubernetes(documents[:1]))
    assert moved.locality == ""
