"""The resources of one compilation, by type and name."""

from collections.abc import Mapping

from flotilla_shared.model.objects import ObjectKey, Problem

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.clusters import OutboundCluster, outbound
from flotilla_pilot.compile.endpoints import load_assignment, with_tls_modes
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, TYPES, CompiledResource
from flotilla_pilot.model.problems import ProblemLog
from flotilla_pilot.model.references import keys
from flotilla_pilot.model.snapshot import MeshSnapshot


class Collected:
    """Gathers what is compiled for one side of a proxy; the first resource of a name stays."""

    def __init__(self, cache: ResourceCache) -> None:
        self.resources: dict[str, dict[str, CompiledResource]] = {each: {} for each in TYPES}
        self.log = ProblemLog()
        self._cache = cache

    def add(self, resource: CompiledResource) -> None:
        self.resources[resource.type_url].setdefault(resource.name, resource)

    def intern(self, type_url: str, name: str, body: bytes, depends_on: frozenset[ObjectKey]) -> None:
        self.add(self._cache.intern(type_url, name, body, depends_on))

    def merge_problems(self, problems: Mapping[ObjectKey, tuple[Problem, ...]]) -> None:
        self.log.merge(problems)

    def add_cluster(self, given: OutboundCluster, snapshot: MeshSnapshot) -> None:
        """The cluster of `given`, with its assignment where Pilot tells the endpoints."""
        self.add(self._cache.get(given.key(), lambda: self._cluster(given)))
        if given.has_assignment:
            self.add(self._assignment(given, snapshot))

    def _cluster(self, given: OutboundCluster) -> CompiledResource:
        body = serialized(outbound(given))
        return self._cache.intern(CLUSTER, given.name, body, keys(given.references()))

    def _assignment(self, given: OutboundCluster, snapshot: MeshSnapshot) -> CompiledResource:
        stated, references = with_tls_modes(given.endpoints(), given.service, given.port, snapshot)
        modes = tuple(mutual for _, mutual in stated)
        used = (*references, *(given.policy.references if given.subset else ()))

        def build() -> CompiledResource:
            body = serialized(load_assignment(given.name, stated, given.port))
            return self._cache.intern(ENDPOINTS, given.name, body, keys(used))

        found: CompiledResource = self._cache.get(("endpoints", given.name, used, modes), build)
        return found
