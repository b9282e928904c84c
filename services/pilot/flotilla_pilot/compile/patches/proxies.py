"""The patches of one proxy, and what they need to know of it."""

from collections.abc import Mapping
from typing import Any

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.names import inbound_cluster
from flotilla_pilot.compile.patches.apply import PatchedSide, Resources, patch_side
from flotilla_pilot.compile.patches.bootstrap import patched_bootstrap
from flotilla_pilot.compile.patches.patch import Context, Patch
from flotilla_pilot.compile.patches.route_matching import Ports
from flotilla_pilot.compile.patches.selection import selected_patches
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_pilot.compile.resource import BOOTSTRAP
from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.problems import ProblemLog


def patched_sides(
    snapshot: MeshSnapshot, proxy: Proxy, sides: tuple[Collected, ...], cache: ResourceCache
) -> tuple[tuple[Resources, ...], ProblemLog]:
    """What `compile` has of every side with the proxy's patches, inbound first, and what is wrong with patches.

    Where patches concern the bootstrap, the first side has that too.
    """
    log = ProblemLog()
    patches = selected_patches(snapshot, proxy, log) if snapshot.envoy_filters else ()
    if not patches:
        return tuple(each.resources for each in sides), log
    if proxy.kind == ROUTER:
        turns: tuple[Turn, ...] = (
            Turn(Context.GATEWAY, _in(patches, Context.GATEWAY), _router_ports(snapshot, proxy)),
        )
    else:
        inbound = _in(patches, Context.SIDECAR_INBOUND)
        turns = (
            Turn(Context.SIDECAR_INBOUND, inbound, hosts=_inbound_hosts(snapshot, proxy) if inbound else {}),
            Turn(Context.SIDECAR_OUTBOUND, _in(patches, Context.SIDECAR_OUTBOUND)),
        )
    found = [_side(side, turn, cache) for side, turn in zip(sides, turns, strict=True)]
    for each in found:
        each.tell(log)
    first, *others = (each.resources for each in found)
    own = [each for each in patches if any(each.applies_in(turn.context) for turn in turns)]
    bootstrap = patched_bootstrap(own, cache, log)
    return ({**first, BOOTSTRAP: bootstrap}, *others), log


def _side(side: Collected, turn: Turn, cache: ResourceCache) -> PatchedSide:
    """Proxies that share a side and have the same patches share the patched one."""
    key = "patched side", side, turn.context, turn.patches, _frozen(turn.ports), _frozen(turn.hosts)
    made: PatchedSide = cache.get_endpoints(key, lambda: patch_side(side.resources, turn, cache))
    return made


def _frozen(values: Mapping[Any, Any]) -> tuple[object, ...]:
    return tuple(values.items())


def _in(patches: tuple[Patch, ...], context: int) -> tuple[Patch, ...]:
    return tuple(each for each in patches if each.applies_in(context))


def _inbound_hosts(snapshot: MeshSnapshot, proxy: Proxy) -> dict[str, tuple[str, ...]]:
    """The services behind each of the workload's ports, by the name of the inbound cluster."""
    found: dict[str, dict[str, None]] = {}
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            for port in service.ports:
                name = inbound_cluster(endpoint.port_for(port))
                found.setdefault(name, {})[service.host] = None
    return {name: tuple(hosts) for name, hosts in sorted(found.items())}


def _router_ports(snapshot: MeshSnapshot, proxy: Proxy) -> Ports:
    """The router's own ports, each with those by which services send to it."""
    found: dict[int, set[int]] = {}
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            for port in service.ports if service.namespace == proxy.namespace else ():
                found.setdefault(endpoint.port_for(port), set()).add(port.number)
    return {own: frozenset(ports) for own, ports in sorted(found.items())}
