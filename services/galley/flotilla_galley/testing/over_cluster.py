"""Galley's sources and publisher over the API server of tests, and a way to wait for what is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.platforms.platform import Sources
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.snapshot.ledger import Entry
from flotilla_galley.sources.cluster import ClusterSource
from flotilla_galley.sources.cluster_objects import Concerns
from flotilla_galley.sources.further import FurtherSource
from flotilla_galley.sources.kubernetes_watch import KubernetesWatch
from flotilla_galley.sources.mesh import MeshConfigMap
from flotilla_shared.model.kinds import VIRTUAL_SERVICES, WORKLOAD_ENTRIES, Kind, by_collection
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.trace import HopRecorder
from flotilla_shared.testing.apiserver import ApiServer

ENTRIES = Resource("networking.istio.io", "v1", "workloadentries", True, "WorkloadEntry")
ROUTES = Resource("networking.istio.io", "v1", "virtualservices", True, "VirtualService")
KINDS = tuple(kind for kind in map(by_collection, (WORKLOAD_ENTRIES, VIRTUAL_SERVICES)) if kind is not None)


class Waits(Protocol):
    """What tells when to look again: the API server of tests, or a clock."""

    async def until(self, holds: Callable[[], object]) -> None: ...


class OverCluster:
    """Start it, change what the server holds, wait. `history` has the addresses of every publication, in order.

    `kinds` of Kubernetes are watched by `watch`, and `further` makes the sources that are read after the cluster.
    """

    def __init__(
        self,
        server: Waits,
        client: KubeClient,
        last_good: Path,
        concerns: Concerns = lambda labels: True,
        kinds: frozenset[str] = frozenset(),
        further: Callable[[KubernetesWatch], Sequence[FurtherSource]] = lambda watch: (),
        watched: Sequence[Path] = (),
        read: tuple[Kind, ...] = KINDS,
    ) -> None:
        self.server = server
        self.publications = 0
        self.history: list[dict[str, str]] = []
        self.distributor = Distributor(lambda: None)  # type: ignore[arg-type,return-value]
        self.readiness = Readiness()
        self._note_publications()
        self.objects = ClusterSource(client, concerns, self._touch, kinds=read)
        self.mesh = MeshConfigMap(client, "istio-system", "istio", "istio-system", self._touch)
        self.watch = KubernetesWatch(client, kinds, concerns, self._touch)
        self.sources = Sources(self.objects, self.mesh, gradual=(self.objects, self.mesh, self.watch))
        self.publisher: Publisher = Publisher(
            objects=self.objects,
            mesh=self.mesh,
            further=further(self.watch),
            watched=watched,
            begun=self.sources.begun,
            last_good=LastGood(last_good),
            distributor=self.distributor,
            trace=HopRecorder("galley"),
            synced=self.readiness.condition("configuration read"),
            quiet_seconds=0.001,
            longest_seconds=1,
        )

    def _touch(self) -> None:
        self.publisher.touch()

    def _note_publications(self) -> None:
        publish = self.distributor.publish

        def noting(snapshot: Any) -> None:
            publish(snapshot)
            self.publications += 1
            self.history.append(self.addresses())

        self.distributor.publish = noting  # type: ignore[method-assign]

    async def start(self) -> None:
        for each in (self.mesh, self.objects, self.watch, self.publisher):
            await each.start()

    async def stop(self) -> None:
        for each in (self.publisher, self.watch, self.objects, self.mesh):
            await each.stop()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is so; fails when that takes too long."""
        await self.server.until(holds)

    def now(self, collection: str = WORKLOAD_ENTRIES) -> dict[str, Any]:
        """Full name -> object of what is published."""
        snapshot = self.distributor.snapshot
        items = snapshot.collections[collection].items if snapshot is not None else {}
        return {key.full_name: item for key, item in items.items()}

    def addresses(self) -> dict[str, str]:
        """Full name -> address of the published WorkloadEntries."""
        return {name: item.spec.address for name, item in self.now().items()}

    def entry(self, name: str) -> Entry:
        namespace, _, name = name.partition("/")
        return self.publisher.objects.entries[ObjectKey(WORKLOAD_ENTRIES, namespace, name)]


def put(server: ApiServer, name: str, address: str, **metadata: Any) -> None:
    """A WorkloadEntry in namespace x."""
    server.put(ENTRIES, name, "x", spec={"address": address}, metadata=metadata)
