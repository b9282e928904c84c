"""A whole Pilot on Kubernetes: the API server beside Citadel and Galley."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import grpc
import pytest
import yaml

from flotilla_pilot.app import Pilot
from flotilla_pilot.config import PilotSettings
from flotilla_pilot.testing.discovery import AdsClient
from flotilla_pilot.testing.meshes import make_node
from flotilla_pilot.testing.neighbourhood import Neighbourhood
from flotilla_shared.model import kinds
from flotilla_shared.runtime.kube.resources import (
    ENDPOINT_SLICES,
    INGRESS_CLASSES,
    INGRESSES,
    NODES,
    PODS,
    SERVICES,
)
from flotilla_shared.testing.apiserver import ApiServer, Fault

NODE_ID = "sidecar~10.1.0.9~client-1.default~default.svc.cluster.local"
GATEWAY_ID = "router~10.1.0.8~gate-1.istio-system~istio-system.svc.cluster.local"
WEB = "outbound|80||web.default.svc.cluster.local"


class Cluster(Neighbourhood):
    """The neighbourhood with an API server in it, in which there is one service."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = ApiServer()
        self.server.serve(SERVICES, ENDPOINT_SLICES, PODS, NODES, INGRESSES, INGRESS_CLASSES)
        ports = [{"name": "http", "port": 80}, {"name": "tcp", "port": 90}]
        self.server.put(SERVICES, "web", "default", spec={"clusterIP": "10.96.0.1", "ports": ports})
        self.folder = folder

    async def start(self) -> None:
        await self.server.start()
        await self.citadel.start()
        await self.galley.start()
        file = self.folder / "kubeconfig"
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.server.url}}],
        }
        file.write_text(yaml.safe_dump(content))
        self.settings |= {"platform": "kubernetes", "kubeconfig": file}

    async def stop(self) -> None:
        await self.galley.stop()
        await self.citadel.stop()
        await self.server.stop()

    def set_endpoints(self, *numbers: int) -> None:
        for number in numbers:
            labels = {"security.istio.io/tlsMode": "istio"}
            spec = {"serviceAccountName": "web"}
            self.server.put(PODS, f"web-{number}", "default", metadata={"labels": labels}, spec=spec)
        ends = [
            {
                "addresses": [f"10.1.0.{number}"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": f"web-{number}", "namespace": "default"},
            }
            for number in numbers
        ]
        self.server.put(
            ENDPOINT_SLICES,
            "web-x",
            "default",
            metadata={"labels": {"kubernetes.io/service-name": "web"}},
            addressType="IPv4",
            endpoints=ends,
            ports=[{"name": "http", "port": 8080}, {"name": "tcp", "port": 90}],
        )

    def sidecar(self, account: str = "client", stated: str = "client") -> AdsClient:
        """A pod's proxy: what its certificate says, and what its node states."""
        certificate = self.authority.certificate(f"spiffe://cluster.local/ns/default/sa/{account}")
        node = make_node(
            NODE_ID, SERVICE_ACCOUNT=stated, INSTANCE_IPS="10.1.0.9", INTERCEPTION_MODE="REDIRECT", NAMESPACE="default"
        )
        return AdsClient(self.settings["xds_port"], certificate, "delta", node)

    def gateway(self) -> AdsClient:
        certificate = self.authority.certificate("spiffe://cluster.local/ns/istio-system/sa/gate")
        labels = {"istio": "ingressgateway"}
        node = make_node(GATEWAY_ID, SERVICE_ACCOUNT="gate", NAMESPACE="istio-system", LABELS=labels)
        return AdsClient(self.settings["xds_port"], certificate, "delta", node)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Cluster]:
    made = Cluster(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def pilot(cluster: Cluster) -> AsyncGenerator[Pilot]:
    made = Pilot(PilotSettings(**cluster.settings))
    await made.lifecycle.start()
    yield made
    await made.lifecycle.stop()


async def start_proxy(client: AdsClient) -> None:
    await client.subscribe("cds")
    while WEB not in (await client.taken()).resources:
        pass  # what was put since Pilot read the cluster comes as a change
    await client.subscribe("eds", WEB)
    await client.taken()
    await client.subscribe("lds")
    assert {"virtualOutbound", "virtualInbound", "10.96.0.1_90", "0.0.0.0_80"} <= set((await client.taken()).resources)
    await client.subscribe("rds", "80")
    await client.taken()


async def test_a_sidecar_gets_the_clusters_services(pilot: Pilot, cluster: Cluster) -> None:
    cluster.set_endpoints(1)
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.sidecar() as client:
        await start_proxy(client)


async def test_endpoints_that_come_are_told_and_nothing_else_is(pilot: Pilot, cluster: Cluster) -> None:
    cluster.set_endpoints(1)
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.sidecar() as client:
        await start_proxy(client)
        cluster.set_endpoints(1, 2)
        response = await client.taken()
        assert (response.type, list(response.resources)) == ("eds", [WEB])


async def test_galley_hears_nothing_of_kubernetes_objects(pilot: Pilot, cluster: Cluster) -> None:
    cluster.set_endpoints(1)
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.sidecar() as client:
        await start_proxy(client)
    assert {key.collection for key in cluster.galley.status} <= {kinds.MESH_CONFIG}
    names = [each["hostname"] for each in (await cluster.page("debug_port", "/debug/registryz")).json() if each]
    assert names == ["web.default.svc.cluster.local"]


async def test_nothing_is_served_before_the_cluster_is_read(cluster: Cluster) -> None:
    message = 'endpointslices is forbidden: User "x" cannot list resource "endpointslices"'
    fault = Fault("list", code=403, reason="Forbidden", message=message, plural="endpointslices", times=10**6)
    cluster.server.fail(fault)
    pilot = Pilot(PilotSettings(**cluster.settings))
    await pilot.lifecycle.start()
    try:
        await cluster.galley.give_all({})
        while "forbidden" not in pilot.readiness.unmet_reasons().get("kubernetes", ""):
            await asyncio.sleep(0.01)
        reason = (await cluster.conditions())["kubernetes"]
        assert "endpointslices" in reason
        assert 'cannot list resource "endpointslices"' in reason
        async with cluster.sidecar() as client:
            await client.subscribe("cds")
            lost = await client.lost()
        assert lost.code is grpc.StatusCode.UNAVAILABLE
        assert "endpointslices" in lost.text
    finally:
        await pilot.lifecycle.stop()


async def test_what_is_wrong_with_a_service_is_told_here(pilot: Pilot, cluster: Cluster) -> None:
    ports = [{"name": "http", "port": 15001}]
    cluster.server.put(SERVICES, "odd", "default", spec={"clusterIP": "10.96.0.2", "ports": ports})
    cluster.set_endpoints(1)
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.sidecar() as client:
        await start_proxy(client)
        problems = (await cluster.page("debug_port", "/debug/problems")).json()
    assert [(each["object"], each["code"]) for each in problems] == [
        ("k8s/core/v1/services/default/odd", "port-reserved")
    ]


async def test_an_ingress_is_served_and_nobody_hears_of_what_stands_for_it(pilot: Pilot, cluster: Cluster) -> None:
    cluster.set_endpoints(1)
    backend = {"service": {"name": "web", "port": {"name": "http"}}}
    rules = [{"host": "web.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    marked = {"annotations": {"kubernetes.io/ingress.class": "istio"}}
    spec = {"rules": rules, "defaultBackend": backend}
    cluster.server.put(INGRESSES, "web", "default", metadata=marked, spec=spec)
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.gateway() as client:
        await client.subscribe("lds")
        assert list((await client.taken()).resources) == ["0.0.0.0_80"]
        await client.subscribe("rds", "http.80")
        assert list((await client.taken()).resources) == ["http.80"]
        problems = (await cluster.page("debug_port", "/debug/problems")).json()
    assert [(each["object"], each["code"]) for each in problems] == [
        ("k8s/networking/v1/ingresses/default/web", "ingress-refused")
    ]
    assert {key.collection for key in cluster.galley.status} <= {kinds.MESH_CONFIG}


async def test_endpoints_that_wait_for_their_pods_are_counted(pilot: Pilot, cluster: Cluster) -> None:
    cluster.set_endpoints(1)
    cluster.server.remove(PODS, "web-1", "default")
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    while "endpoint_no_pod 1.0" not in (await cluster.page("monitoring_port", "/metrics")).text.splitlines():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("account", "stated"), [("client", "other"), ("other", "client"), ("client", "")])
async def test_a_proxy_is_whom_its_certificate_says(pilot: Pilot, cluster: Cluster, account: str, stated: str) -> None:
    await cluster.galley.give_all({})
    await pilot.readiness.wait()
    async with cluster.sidecar(account, stated) as client:
        await client.subscribe("cds")
        assert (await client.lost()).code is grpc.StatusCode.PERMISSION_DENIED
