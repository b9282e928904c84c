"""The resources of one compilation, by type and name."""

from collections.abc import Mapping
from dataclasses import replace

from flotilla_pilot.compile.assignments import Told
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.endpoints import with_tls_modes
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, TYPES, CompiledResource
from flotilla_pilot.compile.sound_cluster import Broken, sound_cluster
from flotilla_pilot.model.authentication import DISABLE
from flotilla_pilot.model.frozen import EMPTY
from flotilla_pilot.model.place import Place
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.services import Service, ServiceName
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

_AUTHENTICATION = (kinds.PEER_AUTHENTICATIONS, kinds.POLICIES, kinds.MESH_POLICIES)


Made = tuple[CompiledResource | None, Broken | None]
"""A cluster, or none, and what of it was left out."""


class Collected:
    """Gathers what is compiled for one side of a proxy; the first resource of a name stays."""

    def __init__(self, cache: ResourceCache) -> None:
        self.resources: dict[str, dict[str, CompiledResource]] = {each: {} for each in TYPES}
        self.log = ProblemLog()
        self._cache = cache
        self.dialled: dict[str, list[str]] = {}
        """The listeners at endpoints that callers dial themselves, by address: who is there itself needs none."""
        self._assigned: dict[str, OutboundCluster] = {}
        self._placed: dict[str, OutboundCluster] = {}
        self._told: dict[str, Told] = {}

    def add(self, resource: CompiledResource) -> None:
        self.resources[resource.type_url].setdefault(resource.name, resource)

    def intern(self, type_url: str, name: str, body: bytes, depends_on: frozenset[ObjectKey]) -> None:
        self.add(self._cache.intern(type_url, name, body, depends_on))

    def merge_problems(self, problems: Mapping[ObjectKey, tuple[Problem, ...]]) -> None:
        self.log.merge(problems)

    def add_cluster(self, given: OutboundCluster, snapshot: MeshSnapshot) -> None:
        """The cluster of `given`, with its assignment where Pilot tells the endpoints."""
        if not given.exists:
            return
        given = _with_peer_modes(given, snapshot)
        resource, broken = self._made(given)
        if broken is not None:
            broken.tell(self.log)
        if resource is None:
            return
        self.add(resource)
        if given.is_placed and not given.has_assignment:
            self._placed.setdefault(given.name, given)
        self.add_assignment(given, snapshot)

    def _made(self, given: OutboundCluster) -> Made:
        made: Made = self._cache.get(given.key(), lambda: self._cluster(given))
        return made

    def _cluster(self, given: OutboundCluster) -> Made:
        cluster, broken = sound_cluster(given)
        if cluster is None:
            return None, broken
        return self._cache.intern(CLUSTER, given.name, serialized(cluster), keys(given.references())), broken

    def add_assignment(self, given: OutboundCluster, snapshot: MeshSnapshot) -> None:
        """The endpoints of `given`, where Pilot tells them."""
        if given.has_assignment and given.name not in self._assigned:
            self._assigned[given.name] = given
            told = Told(given, snapshot)
            if given.is_placed or snapshot.networks:
                self._placed[given.name] = given
                self._told[given.name] = told
            self.add(self._assignment(given, told))

    @property
    def depends_on_place(self) -> bool:
        """Whether it is different for callers at different places."""
        return bool(self._placed)

    def seen_from(self, place: Place, snapshot: MeshSnapshot) -> "Collected":
        """The same as callers at `place` are to have it; what depends on no place is shared with all others."""
        new = self._copy()
        new._assigned = dict(self._assigned)
        if any(not each.has_assignment for each in self._placed.values()):
            new.resources[CLUSTER] = dict(self.resources[CLUSTER])
        for name, each in self._placed.items():
            given = self._assigned.get(name, each).at(place)
            if given.has_assignment:
                new._assigned[name] = given
                told = Told(given, snapshot) if given.service.node_local else self._told[name]
                new.resources[ENDPOINTS][name] = self._assignment(given, told)
            elif (made := self._made(given)[0]) is not None:
                new.resources[CLUSTER][name] = made
        return new

    def _copy(self) -> "Collected":
        new = Collected(self._cache)
        new.resources = {**self.resources, ENDPOINTS: dict(self.resources[ENDPOINTS])}
        new.log, new.dialled = self.log, self.dialled
        new._assigned, new._placed, new._told = self._assigned, self._placed, self._told
        return new

    def with_endpoints(self, changed: Mapping[ServiceName, Service], snapshot: MeshSnapshot) -> "Collected":
        """The same, where nothing is different but the endpoints of these services."""
        new = self._copy()
        moved = {
            name: changed[each.service.name] for name, each in self._assigned.items() if each.service.name in changed
        }
        if moved:
            new._assigned, new._told = dict(self._assigned), dict(self._told)
        for name, service in moved.items():
            given = new._assigned[name] = replace(self._assigned[name], service=service)
            told = Told(given, snapshot)
            if name in new._told:
                new._told[name] = told
            new.resources[ENDPOINTS][name] = self._assignment(given, told)
        return new

    def _assignment(self, given: OutboundCluster, told: Told) -> CompiledResource:
        def build() -> CompiledResource:
            return self._cache.intern(ENDPOINTS, given.name, told.assignment(given), keys(told.references))

        found: CompiledResource = self._cache.get_endpoints(told.key(given), build)
        return found


def _with_peer_modes(given: OutboundCluster, snapshot: MeshSnapshot) -> OutboundCluster:
    """What PeerAuthentication says of the other side.

    Who dials an endpoint dials any, so that such a cluster may only use TLS that all of them take.
    """
    asked = snapshot.authentication.mode(given.service.namespace, EMPTY, 0)
    if asked.mode == DISABLE:
        return replace(given, refuses_tls=True, stated=asked.references)
    if not given.is_dialled or given.service.external or not given.endpoints():
        return given
    modes, references = with_tls_modes(given.endpoints(), given.service, given.port, snapshot)
    return replace(given, dialled_mutual=all(mutual for _, mutual in modes), stated=_policies(references))


def _policies(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
    return tuple(each for each in references if each[0].collection in _AUTHENTICATION)
