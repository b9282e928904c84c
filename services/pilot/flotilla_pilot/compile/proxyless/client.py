"""What a gRPC client asks for: a listener for every name of a service, its routes, clusters and endpoints."""

from collections.abc import Iterable, Iterator
from typing import Any

from envoy.config.listener.v3.api_listener_pb2 import ApiListener
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)

from flotilla_pilot.compile import filters
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.clusters import every_cluster
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.destinations import Destinations
from flotilla_pilot.compile.host_plans import domains, plan_owned
from flotilla_pilot.compile.packing import pack, serialized, typed
from flotilla_pilot.compile.proxyless import names
from flotilla_pilot.compile.proxyless.clusters import cluster
from flotilla_pilot.compile.proxyless.routes import grpc_routes
from flotilla_pilot.compile.resource import CLUSTER, LISTENER, ROUTES
from flotilla_pilot.compile.sources import ads
from flotilla_pilot.compile.virtual_hosts import host_part
from flotilla_pilot.model.references import keys
from flotilla_pilot.model.services import Resolution, Service, ServicePort
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.scope.sidecar import Egress, SidecarScope
from flotilla_shared.model.protocols import Protocol

ROUTER = "envoy.filters.http.router"
_DIALLED = (Resolution.STATIC, Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
"""Of others nobody knows where they are before a name is asked for, which gRPC's libraries cannot do for a cluster."""


def compile_client(snapshot: MeshSnapshot, scope: SidecarScope, cache: ResourceCache) -> Collected:
    """Everything that the gRPC clients which share `scope` may ask for."""
    found = Collected(cache)
    destinations = Destinations(snapshot, scope.namespace, scope.labels, scope.services)
    for egress, service, port in _called(scope):
        _add_names(found, service, port, scope)
        _add_routes(found, egress, service, port, destinations, scope, cache)
    dialled = (each for each in scope.services.values() if each.resolution in _DIALLED)
    for given in every_cluster(dialled, destinations.policy, snapshot.mesh, binds=True):
        made = cluster(given)
        if made is not None:
            found.intern(CLUSTER, given.name, serialized(made), keys(given.references()))
            found.add_assignment(given, snapshot)
    return found


def _called(scope: SidecarScope) -> Iterator[tuple[Egress, Service, ServicePort]]:
    for egress in scope.egress:
        for service in egress.services:
            for port in service.ports:
                if service.resolution in _DIALLED and port.protocol is not Protocol.UDP:
                    yield egress, service, port


def _add_names(found: Collected, service: Service, port: ServicePort, scope: SidecarScope) -> None:
    table = names.routes(service.host, port.number)
    for name in names.client_listeners(_hosts(service, scope), port.number):
        found.intern(LISTENER, name, serialized(_listener(name, table)), keys(service.references))


def _hosts(service: Service, scope: SidecarScope) -> Iterable[str]:
    """Without the absolute form (`host.`), which nobody dials."""
    found = domains(service, 0, False, scope.namespace, scope.domain)
    return [each for each in found if not each.endswith(".") and not each.startswith("*")]


def _listener(name: str, table: str) -> Any:
    manager = HttpConnectionManager(
        rds=Rds(route_config_name=table, config_source=ads()),
        http_filters=[typed(HttpFilter, filters.FAULT, HTTPFault()), typed(HttpFilter, ROUTER, Router())],
    )
    return Listener(name=name, api_listener=ApiListener(api_listener=pack(manager)))


def _add_routes(
    found: Collected,
    egress: Egress,
    service: Service,
    port: ServicePort,
    destinations: Destinations,
    scope: SidecarScope,
    cache: ResourceCache,
) -> None:
    """One virtual host for every authority: a channel is for one service from the start."""
    (plan,) = plan_owned(egress, [(service, port.number)], scope)
    part = host_part(plan, destinations, cache, scope.namespace)
    found.merge_problems(part.problems)
    name = names.routes(service.host, port.number)
    body = cache.get(("proxyless routes", name, part), lambda: serialized(grpc_routes(name, part)))
    found.intern(ROUTES, name, body, part.depends_on)
