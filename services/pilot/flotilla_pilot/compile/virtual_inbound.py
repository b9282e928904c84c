"""The listener by which everything enters an intercepted workload (pilot.md 2.6).

Each port that a service knows has filter chains of its own, all other ports share those of the passthrough. The
application is dialled at the address that the caller meant, from a source by which interception knows the proxy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from envoy.extensions.filters.listener.original_src.v3.original_src_pb2 import OriginalSrc

from flotilla_pilot.compile import names
from flotilla_pilot.compile.accepting import ACCEPTED_AT_ONCE, accept_transparently, balance, limit_buffers
from flotilla_pilot.compile.access_log import unmatched_logs
from flotilla_pilot.compile.applications import application, sound_application
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.entrance import Entrance, entrance_chain
from flotilla_pilot.compile.inbound_chains import Kind
from flotilla_pilot.compile.inbound_clusters import InboundCluster, inbound
from flotilla_pilot.compile.inspectors import inbound_inspectors
from flotilla_pilot.compile.intercepted import loop_chain
from flotilla_pilot.compile.listener_plan import OWN_PORTS, VIRTUAL_INBOUND_PORT, is_port
from flotilla_pilot.compile.packing import serialized, typed
from flotilla_pilot.compile.resource import CLUSTER, LISTENER, CompiledResource
from flotilla_pilot.compile.special_clusters import inbound_passthrough
from flotilla_pilot.model.authentication import PeerMode
from flotilla_pilot.model.caller import Families, caller_of
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.proxy_options import proxy_options
from flotilla_pilot.model.references import Reference, keys, reference
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import Protocol

_MARK = 1337
"""By which interception in this mode knows packets of the proxy."""


@dataclass(frozen=True, slots=True, eq=False)
class Guarded:
    """A way in, and what it takes."""

    entrance: Entrance
    asked: PeerMode
    behind: InboundCluster | None = None
    """Where it leads; None for what has no cluster of its own."""

    def key(self) -> tuple[object, ...]:
        each = self.entrance
        served = (each.served[0].host, each.served[0].namespace) if each.served is not None else ()
        place = each.address, each.port, each.protocol, each.target, each.target_port, each.unserved
        stated = each.tls.SerializeToString(deterministic=True) if each.tls is not None else b""
        behind = self.behind.key() if self.behind is not None else ()
        asked = self.asked.mode, self.asked.references, self.references()
        return *place, stated, each.service_port, served, each.declared_by, behind, *asked

    def references(self) -> tuple[Reference, ...]:
        served = self.entrance.served
        return (*self.asked.references, *(served[0].references if served is not None else ()))


def add_virtual_inbound(
    found: Collected,
    snapshot: MeshSnapshot,
    proxy: Proxy,
    sidecar: ConfigObject | None,
    ingress: Sequence[Entrance],
    cache: ResourceCache,
) -> None:
    """Add the listener and its clusters. `ingress` are the ways in that the Sidecar states instead of the services'."""
    entrances = ingress or ([] if _has_ingress(sidecar) else _served_entrances(snapshot, proxy, found.log))
    held = [each for each in entrances if _may_have(each, sidecar, found.log)]
    caller = caller_of(proxy)
    guarded = list(_passthroughs(snapshot, proxy, held))
    for entrance in held:
        behind = application(entrance, snapshot, proxy, sidecar, caller)
        guarded.append(_guard(entrance, snapshot, proxy, sound_application(behind, sidecar, cache, found.log)))
    stated = (*((reference(sidecar),) if sidecar is not None else ()), *snapshot.mesh.references)
    options = proxy_options(proxy, snapshot.mesh.proxy_default)
    key = "virtual inbound", tuple(each.key() for each in guarded), stated, options, caller.families

    def build() -> tuple[CompiledResource, ...]:
        side = _Side(snapshot.mesh.of(options), stated, caller.families)
        return tuple(_resources(guarded, side, cache))

    resources: tuple[CompiledResource, ...] = cache.get(key, build)
    for each in resources:
        found.add(each)


def _has_ingress(sidecar: ConfigObject | None) -> bool:
    return sidecar is not None and bool(sidecar.spec.ingress)


def _served_entrances(snapshot: MeshSnapshot, proxy: Proxy, log: ProblemLog) -> list[Entrance]:
    """The ports of the workload that services of its own namespace lead to, sorted; of two the oldest counts."""
    found: dict[int, Entrance] = {}
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            if service.namespace != proxy.namespace:
                continue
            for port in service.ports:
                number = endpoint.port_for(port)
                if port.protocol is Protocol.UDP or not is_port(number):
                    continue
                served = service, endpoint
                new = Entrance(proxy.any_address, number, port.protocol, served=served, service_port=port.number)
                first = found.setdefault(number, new)
                if first is not new:
                    _report_other(first, service, port, number, log)
    return [found[number] for number in sorted(found)]


def _report_other(first: Entrance, service: Service, port: ServicePort, number: int, log: ProblemLog) -> None:
    if first.protocol is port.protocol or first.served is None or first.served[0].host == service.host:
        return
    text = (
        f"the workload's port {number} is taken for {first.protocol}, as the older service {first.served[0].host} "
        f"says, not for {port.protocol}; let both say the same"
    )
    key, where = service.declaration(port)
    log.warning(key, "inbound-protocol-taken", where, text)


def _may_have(entrance: Entrance, sidecar: ConfigObject | None, log: ProblemLog) -> bool:
    """The proxy's own ports are never captured, or would come back to it for ever."""
    if entrance.port not in OWN_PORTS:
        return True
    key = entrance.served[0].source.key if entrance.served is not None else sidecar.key if sidecar else None
    if key is not None:
        text = f"port {entrance.port} is one of the proxy's own; the application must listen on another"
        log.warning(key, "port-reserved", "spec.ports", text)
    return False


def _guard(entrance: Entrance, snapshot: MeshSnapshot, proxy: Proxy, behind: InboundCluster | None = None) -> Guarded:
    asked = snapshot.peer_mode(proxy.namespace, proxy.labels, proxy.addresses, entrance.port)
    return Guarded(entrance, asked, behind)


def _passthroughs(snapshot: MeshSnapshot, proxy: Proxy, held: Iterable[Entrance]) -> Iterable[Guarded]:
    """Every port that no service knows, and apart from these the ones that a policy names."""
    known = {0, *(each.port for each in held)}
    named = [each for each in snapshot.authentication.ports(proxy.namespace, proxy.labels) if is_port(each)]
    for port in (0, *(each for each in named if each not in known | OWN_PORTS)):
        yield _guard(Entrance(proxy.any_address, port, Protocol.UNSUPPORTED, unserved=True), snapshot, proxy)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """What is the same for all ways in."""

    mesh: MeshOptions
    stated: tuple[Reference, ...]
    families: Families


def _resources(guarded: Sequence[Guarded], side: _Side, cache: ResourceCache) -> Iterable[CompiledResource]:
    mesh = side.mesh
    references = dict.fromkeys((*side.stated, *(found for each in guarded for found in each.references())))
    listener = _listener(guarded, mesh)
    yield cache.intern(LISTENER, listener.name, serialized(listener), keys(references))
    onward = inbound_passthrough(mesh, side.families)
    yield cache.intern(CLUSTER, onward.name, serialized(onward), keys(mesh.references))
    for behind in (each.behind for each in guarded if each.behind is not None):
        used = keys((*side.stated, *behind.references))
        yield cache.intern(CLUSTER, behind.name, serialized(inbound(behind)), used)


def _listener(guarded: Sequence[Guarded], mesh: MeshOptions) -> Any:
    listener = Listener(
        name=names.VIRTUAL_INBOUND,
        address=socket_address(mesh.proxy.any_address, VIRTUAL_INBOUND_PORT),
        traffic_direction=TrafficDirection.INBOUND,
        listener_filters_timeout=mesh.detection_timeout,
        continue_on_listener_filters_timeout=True,
        access_log=unmatched_logs(mesh),
        max_connections_to_accept_per_socket_event=ACCEPTED_AT_ONCE,
        filter_chains=[loop_chain(names.VIRTUAL_INBOUND, VIRTUAL_INBOUND_PORT)],
    )
    for each in guarded:
        for chain in each.entrance.chains(each.asked.mode):
            name = _chain_name(each.entrance, chain.kind)
            listener.filter_chains.append(entrance_chain(chain, each.entrance, mesh, name))
    listener.listener_filters.append(typed(ListenerFilter, "envoy.filters.listener.original_dst", OriginalDst()))
    accept_transparently(listener, mesh)
    balance(listener, asked=mesh.proxy.balances_in)
    limit_buffers(listener, mesh)
    if mesh.proxy.transparent:
        listener.listener_filters.append(_caller_address())
    listener.listener_filters.extend(inbound_inspectors(each.filter_chain_match for each in listener.filter_chains))
    return listener


def _caller_address() -> Any:
    """The application is dialled from the caller's address; the mark brings its answers back to the proxy."""
    return typed(ListenerFilter, "envoy.filters.listener.original_src", OriginalSrc(mark=_MARK))


def _chain_name(entrance: Entrance, kind: Kind) -> str:
    if not entrance.unserved:
        return entrance.listener
    return f"{names.VIRTUAL_INBOUND}-catchall-http" if kind is Kind.HTTP else names.VIRTUAL_INBOUND
