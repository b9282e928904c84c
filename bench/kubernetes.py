"""What Pilot's compilation costs on Kubernetes: 1,000 services of two ports and five endpoints, one namespace of sidecars.

The ratio is to the first compilation of everything. No process but this one: objects in, bytes out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from bench.table import table
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.registries.conversion import Cluster, ServiceConversion
from flotilla_pilot.registries.objects import KubernetesObjects
from flotilla_pilot.testing.meshes import make_proxy
from flotilla_shared.runtime.kube import objects as kube

SERVICES, ENDPOINTS, REPEATS = 1000, 5, 20
NAMESPACE = "shop"


def measure() -> str:
    world = World()
    rows = [
        ("services of all objects, the first time", _once(world.convert)),
        ("a snapshot of them", _once(world.build)),
        ("a sidecar's everything, the first time", _once(lambda: world.compile(World.client(1)))),
        ("another sidecar of the namespace", _once(lambda: world.compile(World.client(2)))),
        ("one endpoint moves: services", _median(world.move, world.convert)),
        ("one endpoint moves: snapshot", _median(lambda: world.move_and(world.convert), world.build)),
        ("one endpoint moves: a sidecar", _median(lambda: world.move_and(world.convert, world.build), world.recompile)),
        (
            "one service changes: a sidecar",
            _median(lambda: world.edit_and(world.convert, world.build), world.recompile),
        ),
    ]
    whole = rows[2][1]
    title = f"Compiling for {SERVICES} services of {ENDPOINTS} endpoints (ms of CPU)"
    return table(title, ("ratio", "what", "ms"), [(spent / whole, name, spent) for name, spent in rows])


class World:
    """A cluster's objects, which change, and what is made of them."""

    def __init__(self, services: int = SERVICES) -> None:
        names = [f"s{number:04}" for number in range(services)]
        self._services = {(NAMESPACE, name): _service(number, name) for number, name in enumerate(names)}
        self._slices = {(NAMESPACE, f"{name}-x"): _slice(name, ENDPOINTS) for name in names}
        self._pods = {
            (NAMESPACE, f"{name}-{number}"): _pod(name, number) for name in names for number in range(ENDPOINTS + 1)
        }
        self._conversion, self._compiler = ServiceConversion(Cluster()), Compiler()
        self._turn = 0
        self.snapshot: MeshSnapshot | None = None

    def convert(self) -> None:
        objects = KubernetesObjects(dict(self._services), dict(self._slices), self._pods, {})
        self._native = self._conversion.convert(objects)

    def build(self) -> None:
        self.snapshot = build_snapshot({}, MeshSettings(), self._native)

    def compile(self, proxy: Proxy) -> CompiledProxy:
        assert self.snapshot is not None
        return self._compiler.compile(self.snapshot, proxy)

    @staticmethod
    def client(number: int) -> Proxy:
        plain = make_proxy(f"client-{number}", namespace=NAMESPACE, INTERCEPTION_MODE="REDIRECT")
        return replace(plain, addresses=(f"10.200.0.{number}",))

    def recompile(self) -> None:
        self.compile(World.client(1))

    def move(self) -> None:
        """One endpoint more, or one less, of one service."""
        self._turn += 1
        name = f"s{self._turn % SERVICES:04}"
        self._slices[NAMESPACE, f"{name}-x"] = _slice(name, ENDPOINTS + 1)

    def move_and(self, *steps: Callable[[], None]) -> None:
        self.move()
        for each in steps:
            each()

    def edit_and(self, *steps: Callable[[], None]) -> None:
        """Another port of one service."""
        self._turn += 1
        key = NAMESPACE, f"s{self._turn % SERVICES:04}"
        before = self._services[key]
        ports = tuple(kube.ServicePort(name=each.name, port=each.port + self._turn) for each in before.spec.ports)
        spec = kube.ServiceSpec(cluster_ip=before.spec.cluster_ip, ports=ports)
        self._services[key] = kube.Service(metadata=before.metadata, spec=spec)
        for each in steps:
            each()


def _once(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return (time.process_time() - began) * 1000


def _median(prepare: Callable[[], None], step: Callable[[], object]) -> float:
    found = []
    for _ in range(REPEATS):
        prepare()
        found.append(_once(step))
    return statistics.median(found)


def _meta(name: str, **labels: str) -> kube.ObjectMeta:
    return kube.ObjectMeta(name=name, namespace=NAMESPACE, resource_version="1", labels=labels)


def _service(number: int, name: str) -> kube.Service:
    ports = (kube.ServicePort(name="http", port=8000), kube.ServicePort(name="tcp", port=9000))
    address = f"10.96.{number // 250}.{number % 250 + 1}"
    return kube.Service(metadata=_meta(name), spec=kube.ServiceSpec(cluster_ip=address, ports=ports))


def _slice(name: str, endpoints: int) -> kube.EndpointSlice:
    number = int(name[1:])
    ends = tuple(
        kube.Endpoint(
            addresses=(f"10.{number // 200 + 1}.{number % 200}.{each + 1}",),
            conditions=kube.EndpointConditions(ready=True),
            target_ref=kube.TargetReference(kind="Pod", name=f"{name}-{each}", namespace=NAMESPACE),
        )
        for each in range(endpoints)
    )
    ports = (kube.EndpointPort(name="http", port=8000), kube.EndpointPort(name="tcp", port=9000))
    labels = {"kubernetes.io/service-name": name}
    metadata = kube.ObjectMeta(name=f"{name}-x", namespace=NAMESPACE, labels=labels)
    return kube.EndpointSlice(metadata=metadata, endpoints=ends, ports=ports)


def _pod(name: str, number: int) -> kube.Pod:
    labels = {"app": name, "security.istio.io/tlsMode": "istio"}
    metadata = kube.ObjectMeta(name=f"{name}-{number}", namespace=NAMESPACE, labels=labels)
    return kube.Pod(metadata=metadata, spec=kube.PodSpec(service_account_name=name))
