"""Pilot's delivery behind a real port, with a compiler that a test writes."""

import time
from collections.abc import Iterable

from envoy.config.core.v3.base_pb2 import Node

from flotilla_pilot.delivery.compiling import CompilingThread, ProxyCompiler
from flotilla_pilot.delivery.connection import Connection, Patience
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.delivery.metrics import DeliveryMetrics
from flotilla_pilot.delivery.publication import Publication, changed_objects
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot, build_snapshot
from flotilla_pilot.servers.ads import AdsService
from flotilla_pilot.testing.discovery import SERVER_NAME, AdsClient
from flotilla_pilot.testing.meshes import Objects, make_node
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.trace import HopRecorder
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

PILOT = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"


def workload(name: str = "web-v1", number: int = 1, account: str = "web", kind: str = "sidecar") -> Node:
    """The node of workload `number` on one machine."""
    return make_node(
        f"{kind}~127.0.1.{number}~{name}.default~default.svc.cluster.local",
        INTERCEPTION_MODE="NONE",
        NAMESPACE="default",
        INSTANCE_IPS=f"127.0.1.{number},127.0.2.{number}",
        SERVICE_ACCOUNT=account,
        CLUSTER_ID="Kubernetes",
    )


def route_object(name: str, version: str) -> ConfigObject:
    """A VirtualService without content: for tests that only count objects."""
    kind = kinds.by_collection(kinds.VIRTUAL_SERVICES)
    assert kind is not None
    return ConfigObject(ObjectKey(kinds.VIRTUAL_SERVICES, "default", name), version, kind.message_class()())


class Edge:
    """Component: ADS on a free port of 127.0.0.1, with certificates of a test's own authority."""

    def __init__(
        self, compiler: ProxyCompiler, *, patience: Patience | None = None, probe_seconds: float = 20.0
    ) -> None:
        self.authority = CertificateAuthorityForTests()
        self.metrics = ServiceMetrics("pilot")
        self.trace = HopRecorder("pilot")
        self.unready = ""
        delivery_metrics = DeliveryMetrics(self.metrics)
        self.thread = CompilingThread(compiler)
        self.delivery = Delivery(
            self.thread, delivery_metrics, self.trace, patience or Patience(warming=20.0), probe_seconds
        )
        ads = AdsService(self.delivery, delivery_metrics, "cluster.local", self._why_not)
        self.server = GrpcServer(
            "127.0.0.1",
            0,
            identity=self.authority.identity(PILOT, SERVER_NAME),
            client_certificate="optional",
            generic_handlers=[ads.handler()],
        )
        self._last: MeshSnapshot | None = None

    async def start(self) -> None:
        await self.thread.start()
        await self.server.start()
        await self.delivery.start()

    async def stop(self) -> None:
        await self.delivery.stop()
        await self.server.stop()
        await self.thread.stop()

    def publish(self, objects: Iterable[ConfigObject] = ()) -> Publication:
        """A snapshot of these objects alone."""
        found: Objects = {name: {} for name in (kinds.VIRTUAL_SERVICES, kinds.MESH_CONFIG)}
        for item in objects:
            found[item.key.collection][item.key] = item
        return self.publish_objects(found)

    def publish_objects(self, objects: Objects) -> Publication:
        snapshot = build_snapshot(objects, MeshSettings())
        changed = changed_objects(self._last, snapshot)
        self._last = snapshot
        publication = Publication(snapshot, changed, time.monotonic())
        self.delivery.publish(publication)
        return publication

    def client(self, dialect: Dialect, node: Node | None = None, account: str = "web") -> AdsClient:
        """A proxy with a certificate of `account` in namespace default."""
        certificate = self.authority.certificate(f"spiffe://cluster.local/ns/default/sa/{account}")
        return AdsClient(self.server.bound_port, certificate, dialect, node if node is not None else workload())

    async def answered(self) -> None:
        """Wait until proxies have answered everything, and hold what was last published."""
        while any(self._waits_for(each) for each in self.delivery.connections):
            self.delivery.changed.clear()
            await self.delivery.changed.wait()

    def _waits_for(self, connection: Connection) -> bool:
        if connection.publication is not self.delivery.publication:
            return True
        return any(watch.outstanding for watch in connection.session.watches.values())

    def metric(self, name: str) -> list[str]:
        """The lines of a metric."""
        return [line for line in self.metrics.render().decode().splitlines() if line.startswith(name)]

    def _why_not(self) -> str:
        return self.unready
