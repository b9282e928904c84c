"""A proxy's patches on one side of what was compiled for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.clusters import patch_cluster
from flotilla_pilot.compile.patches.listeners import patch_listener
from flotilla_pilot.compile.patches.patch import Kind, Patch
from flotilla_pilot.compile.patches.repair import Change, Patched, Refusal, patched
from flotilla_pilot.compile.patches.routes import patch_table
from flotilla_pilot.compile.patches.soundness import unsound
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledResource
from flotilla_shared.model.problems import ProblemLog

Resources = Mapping[str, Mapping[str, CompiledResource]]

_TABLES = frozenset((Kind.ROUTE_CONFIGURATION, Kind.VIRTUAL_HOST, Kind.HTTP_ROUTE))
_LISTENERS = frozenset((Kind.LISTENER, Kind.LISTENER_FILTER, Kind.FILTER_CHAIN, Kind.NETWORK_FILTER, Kind.HTTP_FILTER))


@dataclass(frozen=True, slots=True)
class _Sort:
    """How resources of one type are patched, and by which kinds of patches; `added` is the kind that adds one."""

    message: Any
    change: Change
    kinds: frozenset[int]
    added: int = 0


_SORTS = {
    LISTENER: _Sort(Listener, patch_listener, _LISTENERS | _TABLES | {Kind.EXTENSION_CONFIG}, Kind.LISTENER),
    CLUSTER: _Sort(Cluster, patch_cluster, frozenset((Kind.CLUSTER,)), Kind.CLUSTER),
    ROUTES: _Sort(RouteConfiguration, patch_table, _TABLES),
}


@dataclass(frozen=True, slots=True, eq=False)
class PatchedSide:
    """One side with its patches, and which of them spoiled which resource."""

    resources: Resources
    refused: tuple[tuple[str, Refusal], ...]

    def tell(self, log: ProblemLog) -> None:
        for name, (patch, text) in self.refused:
            log.error(
                patch.key, "refused-by-envoy", patch.path, f"{text}; {name or 'the resource'} is without this patch"
            )


def patch_side(resources: Resources, turn: Turn, cache: ResourceCache) -> PatchedSide:
    """All resources of one side, patched; those that no patch meets are the identical objects."""
    made: dict[str, Mapping[str, CompiledResource]] = dict(resources)
    refused: list[tuple[str, Refusal]] = []
    for type_url, sort in _SORTS.items():
        patches = tuple(each for each in turn.patches if each.apply_to in sort.kinds)
        if patches:
            part = Turn(turn.context, patches, turn.ports, turn.hosts)
            made[type_url] = _patch_sort(type_url, resources[type_url], part, cache, refused)
    made[ENDPOINTS] = _still_asked(made[ENDPOINTS], resources[CLUSTER], made[CLUSTER])
    return PatchedSide(made, tuple(refused))


def _patch_sort(
    type_url: str,
    held: Mapping[str, CompiledResource],
    turn: Turn,
    cache: ResourceCache,
    refused: list[tuple[str, Refusal]],
) -> Mapping[str, CompiledResource]:
    made: dict[str, CompiledResource] = {}
    for name, resource in held.items():
        found, faults = _patch_resource(resource, turn, cache)
        refused.extend((name, each) for each in faults)
        if found is not None:
            made[name] = found
    for patch in turn.patches:
        if patch.apply_to == _SORTS[type_url].added and patch.adds_in(turn.context):
            _add(type_url, patch, made, cache, refused)
    return made


def _patch_resource(
    resource: CompiledResource, turn: Turn, cache: ResourceCache
) -> tuple[CompiledResource | None, tuple[Refusal, ...]]:
    """Patched once for all proxies with these patches."""
    ports = tuple(sorted(turn.ports.items(), key=lambda each: each[0]))
    key = "patched", resource, turn.context, turn.patches, ports, turn.hosts.get(resource.name, ())
    made: tuple[CompiledResource | None, tuple[Refusal, ...]] = cache.get(key, lambda: _build(resource, turn, cache))
    return made


def _build(
    resource: CompiledResource, turn: Turn, cache: ResourceCache
) -> tuple[CompiledResource | None, tuple[Refusal, ...]]:
    sort = _SORTS[resource.type_url]
    found: Patched = patched(sort.message.FromString(resource.body), turn, sort.change)
    if found.message is None:
        return None, found.refused
    if not found.used:
        return resource, found.refused
    depends_on = resource.depends_on | {each.key for each in found.used}
    body = serialized(found.message)
    return cache.intern(resource.type_url, resource.name, body, depends_on), found.refused


def _add(
    type_url: str,
    patch: Patch,
    made: dict[str, CompiledResource],
    cache: ResourceCache,
    refused: list[tuple[str, Refusal]],
) -> None:
    name, text = patch.value.name, unsound(patch.value)
    if text:
        refused.append((name, (patch, f"Envoy's {text}")))
    elif type_url == LISTENER and (other := _on_place(patch.value, made)):
        refused.append((name, (patch, f"{other} listens there already; the address must be another's")))
    elif name in made:
        refused.append((name, (patch, f"there is a {name} already; the name must be another's")))
    else:
        made[name] = cache.intern(type_url, name, serialized(patch.value), {patch.key})


def _on_place(listener: Any, held: Mapping[str, CompiledResource]) -> str:
    """The name of a listener at the same address; empty if there is none."""
    place = serialized(listener.address)
    others = ((name, Listener.FromString(each.body)) for name, each in held.items() if place in each.body)
    return next((name for name, each in others if each.address == listener.address), "")


def _still_asked(
    endpoints: Mapping[str, CompiledResource],
    before: Mapping[str, CompiledResource],
    after: Mapping[str, CompiledResource],
) -> Mapping[str, CompiledResource]:
    """The endpoints, but for those of clusters that are gone."""
    gone = before.keys() - after.keys()
    return {name: each for name, each in endpoints.items() if name not in gone} if gone else endpoints
