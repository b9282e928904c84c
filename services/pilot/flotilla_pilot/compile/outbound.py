"""A sidecar's outbound side: listeners, route tables, clusters and endpoints of everything it may call."""

from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener

from flotilla_pilot.compile import mixer
from flotilla_pilot.compile.accepting import ACCEPTED_AT_ONCE, HANDSHAKE, finish_outbound
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.clusters import every_cluster
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.connections import service_chains, tcp_chain
from flotilla_pilot.compile.destinations import Destinations, Target
from flotilla_pilot.compile.egress_plan import plan_listeners
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.host_plans import HostPlan, plan_hosts, plan_owned
from flotilla_pilot.compile.http_manager import OUTBOUND, Manner, http_manager
from flotilla_pilot.compile.inspectors import tls_inspector
from flotilla_pilot.compile.intercepted import intercepted_listener, virtual_outbound
from flotilla_pilot.compile.listener_plan import ListenerPlan
from flotilla_pilot.compile.mixer_clusters import add_mixer_clusters
from flotilla_pilot.compile.onward import onward
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, LISTENER
from flotilla_pilot.compile.route_table import route_table
from flotilla_pilot.compile.special_clusters import black_hole, forward_proxy, passthrough, resolved_names
from flotilla_pilot.compile.virtual_hosts import HostPart, catch_all, host_part, wire_host
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.services import Resolution, Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.scope.sidecar import SidecarScope


def compile_outbound(snapshot: MeshSnapshot, scope: SidecarScope, cache: ResourceCache) -> Collected:
    """Everything outbound of the proxies that share `scope`."""
    found = Collected(cache)
    destinations = Destinations(snapshot, scope.namespace, scope.labels, scope.services)
    for plan in plan_listeners(scope, found.log):
        if plan.is_http:
            found.add(_table(plan, scope, destinations, cache, found))
        found.add(_listener(plan, scope, destinations, cache))
        if plan.is_dialled:
            found.dialled.setdefault(plan.address, []).append(plan.name)
    add_mixer_clusters(found, snapshot, cache)
    clusters = every_cluster(scope.services.values(), destinations.policy, snapshot.mesh, scope.binds, scope.caller)
    for each in clusters:
        found.add_cluster(each, snapshot)
    _add_special(found, scope, onward(scope, destinations))
    return found


def _table(
    plan: ListenerPlan,
    scope: SidecarScope,
    destinations: Destinations,
    cache: ResourceCache,
    found: Collected,
) -> Any:
    ports = [(service, port.number) for service, port in plan.http]
    hosts = _hosts(plan, scope, ports)
    parts = [host_part(host, destinations, cache, scope.namespace) for host in hosts]
    for part in parts:
        found.merge_problems(part.problems)
    if not plan.owned:
        beyond, mesh = onward(scope, destinations), destinations.snapshot.mesh
        last = wire_host(catch_all(beyond, mesh, forwards=scope.forwards_unknown, resolves_names=scope.resolves_names))
        references = (*scope.references, *mesh.references, *beyond.references)
        parts.append(HostPart(last, keys(references), {}))
    return route_table(plan.routes, parts, cache, ignore_port=not plan.proxy)


def _hosts(plan: ListenerPlan, scope: SidecarScope, ports: list[tuple[Service, int]]) -> list[HostPlan]:
    if plan.owned:
        return plan_owned(plan.egress, ports, scope)
    return plan_hosts(plan.egress, ports, scope, port_in_domain=plan.proxy)


def _listener(plan: ListenerPlan, scope: SidecarScope, destinations: Destinations, cache: ResourceCache) -> Any:
    if plan.intercepted:
        return intercepted_listener(plan, scope, destinations, cache, forwards=_forwards(plan, scope))
    mesh = scope.mesh
    references: dict[Reference, None] = dict.fromkeys((*scope.references, *mesh.references))
    listener = Listener(
        name=plan.name,
        address=socket_address(plan.address, plan.port),
        traffic_direction=TrafficDirection.OUTBOUND,
        listener_filters_timeout=mesh.detection_timeout,
        continue_on_listener_filters_timeout=True,
        max_connections_to_accept_per_socket_event=ACCEPTED_AT_ONCE,
    )
    if plan.is_http:
        absolute = plan.proxy and not plan.tunnels
        manner = Manner(plan.tunnels, absolute=absolute, forwards=_forwards(plan, scope), web=plan.web)
        manager = http_manager(f"outbound_{plan.name};", OUTBOUND, mesh, plan.routes, manner)
        listener.filter_chains.append(FilterChain(filters=[manager]))
    else:
        _add_connections(listener, plan, mesh, destinations, references)
    for each in listener.filter_chains:
        each.transport_socket_connect_timeout.CopyFrom(HANDSHAKE)
    finish_outbound(listener, mesh)
    return cache.intern(LISTENER, plan.name, serialized(listener), keys(references))


def _forwards(plan: ListenerPlan, scope: SidecarScope) -> bool:
    if scope.resolves_names or (scope.forwards_unknown and scope.allow_any):
        return True
    dynamic = {Resolution.DYNAMIC_DNS, Resolution.NONE} if scope.binds else {Resolution.DYNAMIC_DNS}
    return any(service.resolution in dynamic for service, _ in plan.http)


def _add_connections(
    listener: Any,
    plan: ListenerPlan,
    mesh: MeshOptions,
    destinations: Destinations,
    references: dict[Reference, None],
) -> None:
    """TLS services by SNI, then the TCP service that takes the rest."""
    sni_taken: set[str] = set()
    for service, port in plan.tls:
        for chain in service_chains(service, port, plan.egress.routes, destinations, sni_taken):
            listener.filter_chains.append(chain.message(mesh))
            references.update(dict.fromkeys(chain.references))
    if plan.tls:
        listener.listener_filters.append(tls_inspector())
    if plan.tcp is not None:
        service, port = plan.tcp
        chain = tcp_chain(service, port, plan.egress.routes, destinations)
        mixer.add_static(listener.metadata, mixer.attributes_of(service.host, service.namespace, mesh))
        listener.filter_chains.append(chain.message(mesh))
        references.update(dict.fromkeys(chain.references))


def _add_special(found: Collected, scope: SidecarScope, beyond: Target) -> None:
    """What every proxy has. Where listeners are bound there is nothing to pass through to, and nothing to enter by."""
    mesh = scope.mesh
    special = [(black_hole(mesh), mesh.references)]
    if not scope.forwards_unknown:
        special.append((passthrough(mesh), mesh.references))
    if not scope.binds:
        if scope.resolves_names:
            special.append((resolved_names(mesh), (*mesh.references, *scope.references)))
        listener = virtual_outbound(beyond, mesh, resolves_names=scope.resolves_names)
        references = (*mesh.references, *scope.references, *beyond.references)
        found.intern(LISTENER, listener.name, serialized(listener), keys(references))
    elif scope.allow_any and scope.forwards_unknown:
        special.append((forward_proxy(mesh), (*mesh.references, *scope.references)))
    for cluster, references in special:
        found.intern(CLUSTER, cluster.name, serialized(cluster), keys(references))
