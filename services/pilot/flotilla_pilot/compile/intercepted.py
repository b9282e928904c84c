"""Outbound listeners where connections are intercepted, and the one that all of them enter by (pilot.md 2.5).

Everything is redirected to `virtualOutbound`, which hands a connection to the listener of its original destination,
and takes what has none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
)
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from flotilla_pilot.compile import mixer, names, tls
from flotilla_pilot.compile.accepting import ACCEPTED_AT_ONCE, HANDSHAKE, accept_transparently, finish_outbound
from flotilla_pilot.compile.access_log import unmatched_logs
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.connections import SniChain, service_chains, subnet_chains, tcp_chain
from flotilla_pilot.compile.destinations import Destinations, Target
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.http_manager import OUTBOUND, Manner, http_manager
from flotilla_pilot.compile.inspectors import PLAIN_HTTP, http_inspector, tls_inspector
from flotilla_pilot.compile.intercepted_plan import networks_of
from flotilla_pilot.compile.listener_plan import VIRTUAL_OUTBOUND_PORT, ListenerPlan
from flotilla_pilot.compile.onward import onward
from flotilla_pilot.compile.packing import serialized, typed
from flotilla_pilot.compile.resource import LISTENER, CompiledResource
from flotilla_pilot.compile.routes import MAX_BODY
from flotilla_pilot.compile.tcp_proxy import TCP_PROXY, tcp_proxy
from flotilla_pilot.compile.virtual_hosts import resolving_host
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.services import Service
from flotilla_pilot.scope.sidecar import SidecarScope

APPLICATION_PROTOCOLS = "envoy.network.application_protocols"
"""The filter state by which Envoy is told the ALPN of one connection, over that of its cluster."""


@dataclass(frozen=True, slots=True, eq=False)
class InterceptedListener:
    """All that one listener is made from. `rest` takes what no chain takes; None: it goes where it was meant to."""

    plan: ListenerPlan
    chains: tuple[SniChain, ...]
    rest: SniChain | None
    onward: Target
    forwards: bool

    def references(self) -> tuple[Reference, ...]:
        found = [each for chain in self.chains for each in chain.references]
        rest = self.rest.references if self.rest is not None else ()
        return tuple(dict.fromkeys([*found, *rest, *self.onward.references]))

    def key(self) -> tuple[object, ...]:
        plan = self.plan
        rest = self.rest.key() if self.rest is not None else None
        chains = tuple(each.key() for each in self.chains)
        http = plan.routes, bool(plan.http), plan.web, self.forwards
        return "intercepted", plan.name, *http, chains, rest, self.onward.cluster, self.onward.references


def intercepted_listener(
    plan: ListenerPlan, scope: SidecarScope, destinations: Destinations, cache: ResourceCache, *, forwards: bool
) -> CompiledResource:
    """The listener of `plan`, made once for equal inputs. `forwards`: its table resolves the names asked for."""
    mesh = scope.mesh
    chains = tuple(_chains(plan, destinations))
    given = InterceptedListener(plan, chains, _rest(plan, destinations), onward(scope, destinations), forwards)
    references = (*given.references(), *scope.references, *mesh.references)

    def build() -> CompiledResource:
        return cache.intern(LISTENER, plan.name, serialized(_listener(given, mesh)), keys(references))

    options = mesh.proxy if plan.http else mesh.proxy.of_connections
    found: CompiledResource = cache.get((*given.key(), scope.references, mesh.references, options), build)
    return found


def _chains(plan: ListenerPlan, destinations: Destinations) -> Iterable[SniChain]:
    """No two of them match alike: what is claimed twice, a network, or a name in networks, is the first's."""
    seen: set[tuple[str, str]] = set()
    for chain in (*_by_network(plan, destinations), *_by_name(plan, destinations)):
        networks = chain.networks or ("",)
        if chain.sni:
            free = [name for name in chain.sni if all((name, network) not in seen for network in networks)]
            left = replace(chain, sni=tuple(free))
            seen.update((name, network) for name in free for network in networks)
        else:
            free = [network for network in networks if ("", network) not in seen]
            left = replace(chain, networks=tuple(free))
            seen.update(("", network) for network in free)
        if free:
            yield left


def _by_network(plan: ListenerPlan, destinations: Destinations) -> Iterable[SniChain]:
    """TCP services: what rules say of networks before what services say."""
    for service, port in [held for held, _ in plan.networks] + ([plan.tcp] if plan.tcp is not None else []):
        yield from subnet_chains(service, port, plan.egress.routes, destinations)
    for (service, port), networks in plan.networks:
        yield tcp_chain(service, port, plan.egress.routes, destinations, networks)


def _by_name(plan: ListenerPlan, destinations: Destinations) -> Iterable[SniChain]:
    """TLS services by SNI, and by network where they state some."""
    taken: dict[str, set[str]] = {}
    for service, port in plan.tls:
        by_name = plan.tcp is None or plan.tcp[0] is not service
        for network in ("",) if plan.owned else networks_of(service) or ("",):
            names_there = taken.setdefault(network, set())
            for each in service_chains(
                service, port, plan.egress.routes, destinations, names_there, by_name=by_name, by_network=True
            ):
                yield replace(each, networks=(network,)) if network and not each.networks else each


def _rest(plan: ListenerPlan, destinations: Destinations) -> SniChain | None:
    if plan.tcp is None:
        return None
    service, port = plan.tcp
    return tcp_chain(service, port, plan.egress.routes, destinations)


def _listener(given: InterceptedListener, mesh: MeshOptions) -> Any:
    plan = given.plan
    listener = Listener(
        name=plan.name,
        address=socket_address(plan.address, plan.port),
        traffic_direction=TrafficDirection.OUTBOUND,
        bind_to_port=BoolValue(value=False),
        listener_filters_timeout=mesh.detection_timeout,
        continue_on_listener_filters_timeout=True,
        filter_chains=[each.message(mesh) for each in given.chains],
        listener_filters=list(_inspectors(given)),
    )
    if plan.http:
        listener.filter_chains.append(_http_chain(given, mesh))
    for each in listener.filter_chains:
        each.transport_socket_connect_timeout.CopyFrom(HANDSHAKE)
    last = given.rest.message(mesh) if given.rest is not None else _onward_chain(given.onward, mesh)
    if _is_sniffed(plan):
        last.filters.insert(0, _carries_tcp())
    if listener.filter_chains:
        last.ClearField("filter_chain_match")
        if given.rest is not None:
            last.transport_socket_connect_timeout.CopyFrom(HANDSHAKE)
        listener.default_filter_chain.CopyFrom(last)
    else:
        last.transport_socket_connect_timeout.CopyFrom(HANDSHAKE)
        listener.filter_chains.append(last)
    finish_outbound(listener, mesh)
    mixer.add_static(listener.metadata, _static(plan, given.onward.cluster, mesh))
    return listener


def _is_sniffed(plan: ListenerPlan) -> bool:
    """Whether the service that takes the rest has requests too, to the same cluster."""
    return plan.tcp is not None and not plan.tcp[0].external and plan.tcp in plan.http


def _carries_tcp() -> Filter:
    """A cluster of an unknown protocol tells servers that HTTP comes; here it does not."""
    alpn = FilterStateValue(object_key=APPLICATION_PROTOCOLS, shared_with_upstream=FilterStateValue.ONCE)
    alpn.format_string.text_format_source.inline_string = ",".join(tls.CLIENT_ALPN_TCP)
    return typed(Filter, "envoy.filters.network.set_filter_state", SetFilterState(on_new_connection=[alpn]))


def _inspectors(given: InterceptedListener) -> Iterable[Any]:
    if any(each.sni for each in given.chains):
        yield tls_inspector()
    if given.plan.http:
        yield http_inspector()


def _http_chain(given: InterceptedListener, mesh: MeshOptions) -> FilterChain:
    match = FilterChainMatch(transport_protocol="raw_buffer", application_protocols=PLAIN_HTTP)
    manner = Manner(forwards=given.forwards, web=given.plan.web)
    manager = http_manager(f"outbound_{given.plan.name};", OUTBOUND, mesh, given.plan.routes, manner)
    return FilterChain(filter_chain_match=match, filters=[manager])


def _onward_chain(beyond: Target, mesh: MeshOptions) -> FilterChain:
    return FilterChain(name=names.PASSTHROUGH_CHAIN, filters=[tcp_proxy(beyond.cluster, [(beyond, 1)], mesh)])


def _static(plan: ListenerPlan, cluster: str, mesh: MeshOptions) -> mixer.Attributes:
    """Of the service that takes the rest; chains of others are told by their clusters."""
    service: Service | None = plan.tcp[0] if plan.tcp is not None else None
    return mixer.attributes_of(service.host, service.namespace, mesh) if service else mixer.nowhere(cluster, mesh)


def virtual_outbound(beyond: Target, mesh: MeshOptions, *, resolves_names: bool = False) -> Any:
    """The listener that everything is redirected to; what dials it directly would come back for ever, and is dropped.

    What no other listener takes goes `beyond`. `resolves_names`: plain HTTP to ports that nobody declared goes where
    the name leads that it asks for.
    """
    rest = FilterChain(
        name=f"{names.VIRTUAL_OUTBOUND}-catchall-tcp", filters=[tcp_proxy(beyond.cluster, [(beyond, 1)], mesh)]
    )
    listener = Listener(
        name=names.VIRTUAL_OUTBOUND,
        address=socket_address(mesh.proxy.any_address, VIRTUAL_OUTBOUND_PORT),
        traffic_direction=TrafficDirection.OUTBOUND,
        use_original_dst=BoolValue(value=True),
        max_connections_to_accept_per_socket_event=ACCEPTED_AT_ONCE,
        access_log=unmatched_logs(mesh),
        filter_chains=[loop_chain(names.VIRTUAL_OUTBOUND, VIRTUAL_OUTBOUND_PORT), rest],
    )
    accept_transparently(listener, mesh)
    if resolves_names:
        listener.filter_chains.insert(1, _resolving_chain(mesh))
        listener.listener_filters.append(http_inspector())
    mixer.add_static(listener.metadata, mixer.nowhere(beyond.cluster, mesh))
    return listener


def _resolving_chain(mesh: MeshOptions) -> FilterChain:
    table = RouteConfiguration(
        name=names.ALLOW_ANY_NAMES,
        virtual_hosts=[resolving_host()],
        validate_clusters=BoolValue(value=False),
        ignore_port_in_host_matching=True,
        max_direct_response_body_size_bytes=UInt32Value(value=MAX_BODY),
    )
    for route in table.virtual_hosts[0].routes:
        mixer.add_static(route.metadata, mixer.nowhere(names.PASSTHROUGH, mesh))
    prefix = f"outbound_{names.VIRTUAL_OUTBOUND}_{names.ALLOW_ANY_NAMES};"
    manager = http_manager(prefix, OUTBOUND, mesh, table, Manner(forwards=True))
    match = FilterChainMatch(application_protocols=PLAIN_HTTP)
    return FilterChain(name=f"{names.VIRTUAL_OUTBOUND}-catchall-tcp-http", filter_chain_match=match, filters=[manager])


def loop_chain(listener: str, port: int) -> FilterChain:
    """Connections to the proxy's own port: dropped. Nobody is told, for each would be told of a thousand times."""
    chain = FilterChain(name=f"{listener}-blackhole", filters=[_dropping()])
    chain.filter_chain_match.destination_port.value = port
    return chain


def _dropping() -> Filter:
    return typed(Filter, TCP_PROXY, TcpProxy(stat_prefix=names.BLACK_HOLE, cluster=names.BLACK_HOLE))
