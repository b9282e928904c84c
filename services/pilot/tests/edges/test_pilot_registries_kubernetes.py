"""The watch of a cluster: what is waited for, what is heard, and what goes on while the API server is away."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSettings
from flotilla_pilot.registries.conversion import Cluster
from flotilla_pilot.registries.kubernetes import KubernetesRegistry
from flotilla_shared.model import kinds
from flotilla_shared.runtime.kube.resources import (
    ENDPOINT_SLICES,
    INGRESS_CLASSES,
    INGRESSES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
)
from flotilla_shared.testing.apiserver import ApiServer, Fault

PORTS = [{"name": "http", "port": 80}]
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def services_of(registry: KubernetesRegistry) -> Sequence[Service]:
    return registry.look()({}, MeshSettings()).native


class Running:
    """A registry over an API server, and how often it was heard from."""

    def __init__(self) -> None:
        self.server = ApiServer()
        self.server.serve(SERVICES, ENDPOINT_SLICES, PODS, NODES, NAMESPACES, INGRESSES, INGRESS_CLASSES)
        self.heard = asyncio.Event()
        self.registry: KubernetesRegistry | None = None

    async def start(self) -> KubernetesRegistry:
        self.registry = KubernetesRegistry(self.server.client(), Cluster(), self.heard.set)
        await self.registry.start()
        return self.registry

    def add_service(self, name: str = "a") -> None:
        self.server.put(SERVICES, name, "shop", spec={"clusterIP": "10.96.0.1", "ports": PORTS})

    def add_pod(self, name: str = "a-1", **labels: str) -> None:
        self.server.put(PODS, name, "shop", metadata={"labels": labels}, spec={"serviceAccountName": "sa"})

    def add_slice(self, ready: bool = True, address: str = "10.1.0.1") -> None:
        target = {"kind": "Pod", "name": "a-1", "namespace": "shop"}
        ends = [{"addresses": [address], "conditions": {"ready": ready}, "targetRef": target}]
        labels = {"kubernetes.io/service-name": "a"}
        ports = [{"name": "http", "port": 8080}]
        self.server.put(
            ENDPOINT_SLICES, "a-x", "shop", metadata={"labels": labels}, addressType="IPv4", endpoints=ends, ports=ports
        )

    def add_ingress(self, path: str, **more: Any) -> None:
        backend = {"service": {"name": "a", "port": {"name": "http"}}}
        paths = {"paths": [{"path": path, "pathType": "Exact", "backend": backend}]}
        marked = {"annotations": {"kubernetes.io/ingress.class": "istio"}}
        self.server.put(INGRESSES, "a", "shop", metadata=marked, spec={"rules": [{"http": paths}]}, **more)

    async def until(self, wanted: Any) -> tuple[Service, ...]:
        """Wait for services that `wanted` is true of."""
        assert self.registry is not None
        async with asyncio.timeout(10):
            while True:
                self.heard.clear()
                found = tuple(services_of(self.registry))
                if not self.registry.missing and wanted(found):
                    return found
                await self.heard.wait()


@pytest.fixture
async def running() -> AsyncGenerator[Running]:
    found = Running()
    await found.server.start()
    yield found
    if found.registry is not None:
        await found.registry.stop()
    await found.server.stop()


async def test_services_with_their_endpoints(running: Running) -> None:
    running.add_service()
    running.add_pod(app="a")
    running.add_slice()
    await running.start()
    (service,) = await running.until(lambda found: found and found[0].endpoints)
    assert service.host == "a.shop.svc.cluster.local"
    assert [(each.address, each.service_account) for each in service.endpoints] == [("10.1.0.1", "sa")]


async def test_an_empty_cluster_is_read_too(running: Running) -> None:
    """Nothing changed by the last list, and yet it must be heard of."""
    registry = await running.start()
    await asyncio.wait_for(registry.wait_synced(), 10)
    await asyncio.wait_for(running.heard.wait(), 10)
    assert registry.missing == ()
    assert services_of(registry) == ()


async def test_what_is_missing_is_named_with_the_reason(running: Running) -> None:
    message = 'pods is forbidden: User "system:serviceaccount:istio-system:x" cannot list resource "pods"'
    running.server.fail(Fault("list", code=403, reason="Forbidden", message=message, plural="pods", times=10**6))
    registry = await running.start()
    async with asyncio.timeout(10):
        while not (len(registry.missing) == 1 and "forbidden" in registry.missing[0]):
            await asyncio.sleep(0.01)
    (missing,) = registry.missing
    assert missing.startswith("pods: forbidden")
    assert 'cannot list resource "pods"' in missing


async def test_changes_are_heard(running: Running) -> None:
    await running.start()
    await running.until(lambda found: found == ())
    running.add_service()
    await running.until(lambda found: len(found) == 1 and not found[0].endpoints)
    running.add_slice()
    assert running.registry is not None
    await running.until(lambda found: running.registry is not None and running.registry.waiting == 1)
    running.add_pod(app="a")
    await running.until(lambda found: len(found[0].endpoints) == 1)
    running.add_slice(ready=False)
    (service,) = await running.until(lambda found: not found[0].endpoints)
    assert [each.address for each in service.unready] == ["10.1.0.1"]
    running.server.remove(SERVICES, "a", "shop")
    await running.until(lambda found: found == ())


async def test_what_namespaces_say_is_heard(running: Running) -> None:
    """An annotation makes callers prefer near endpoints; others of a namespace make no difference."""
    running.add_service()
    running.server.put(NAMESPACES, "shop")
    await running.start()
    (before,) = await running.until(lambda found: len(found) == 1)
    assert before.traffic_distribution == ""
    said = {"networking.istio.io/traffic-distribution": "PreferClose"}
    running.server.put(NAMESPACES, "shop", metadata={"annotations": said})
    (service,) = await running.until(lambda found: found[0].traffic_distribution == "PreferSameZone")
    running.server.put(NAMESPACES, "shop", metadata={"annotations": {**said, "owner": "somebody"}})
    running.add_service("b")  # the next change that must be heard
    after = await running.until(lambda found: len(found) == 2)
    assert next(each for each in after if each.host == service.host) is service


async def test_what_changes_in_pods_all_the_time_is_not_heard(running: Running) -> None:
    running.add_service()
    running.add_pod(app="a")
    running.add_slice()
    await running.start()
    (before,) = await running.until(lambda found: found and found[0].endpoints)
    running.server.put(PODS, "a-1", "shop", status=READY)
    running.add_service("b")  # the next change that must be heard
    after = await running.until(lambda found: len(found) == 2)
    assert next(each for each in after if each.host == before.host) is before


async def test_ingresses_are_heard_but_not_their_status(running: Running) -> None:
    running.add_service()
    registry = await running.start()
    await running.until(lambda found: len(found) == 1)
    running.add_ingress("/a")
    await running.until(lambda _: _rules(registry) == ["/a"])
    look = registry.look()({}, MeshSettings())
    running.heard.clear()
    running.add_ingress("/a", status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})
    running.server.put(INGRESS_CLASSES, "mesh", spec={"controller": "istio.io/ingress-controller"})
    await asyncio.wait_for(running.heard.wait(), 10)
    assert registry.look()({}, MeshSettings()).objects == look.objects
    running.add_ingress("/b")
    await running.until(lambda _: _rules(registry) == ["/b"])


def _rules(registry: KubernetesRegistry) -> list[str]:
    held = registry.look()({}, MeshSettings()).objects.get(kinds.VIRTUAL_SERVICES, {})
    return [item.spec.http[0].match[0].uri.exact for item in held.values()]


async def test_while_the_api_server_is_away_what_is_known_goes_on(running: Running) -> None:
    running.add_service()
    await running.start()
    (before,) = await running.until(lambda found: len(found) == 1)
    running.server.fail(Fault("watch", code=503, reason="ServiceUnavailable", times=3))
    running.server.end_watches()
    assert running.registry is not None
    assert running.registry.missing == ()
    assert services_of(running.registry)[0] is before
    running.add_service("b")
    await running.until(lambda found: len(found) == 2)
