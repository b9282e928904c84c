"""A router: listeners, route tables, and the clusters that its routes lead to."""

from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import FilterChain, FilterChainMatch
from envoy.config.listener.v3.listener_pb2 import Listener

from flotilla_pilot.compile import names
from flotilla_pilot.compile.accepting import ACCEPTED_AT_ONCE, HANDSHAKE, limit_buffers
from flotilla_pilot.compile.access_log import unmatched_logs
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.connections import is_server_name
from flotilla_pilot.compile.destinations import Destinations
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.gateway_hosts import gateway_parts
from flotilla_pilot.compile.gateway_passthrough import exposed_clusters, exposing_chain, untaken
from flotilla_pilot.compile.gateway_tcp import plain_chain, sni_chains
from flotilla_pilot.compile.gateway_tls import gateway_server, provider_asked, socket_fault
from flotilla_pilot.compile.gateway_topology import connection_filters, gateway_side
from flotilla_pilot.compile.http_manager import Manner, http_manager
from flotilla_pilot.compile.inspectors import tls_inspector
from flotilla_pilot.compile.listener_plan import is_place, is_port
from flotilla_pilot.compile.mixer_clusters import add_mixer_clusters
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, LISTENER, ROUTES
from flotilla_pilot.compile.route_table import route_table
from flotilla_pilot.compile.special_clusters import black_hole
from flotilla_pilot.model.caller import caller_of
from flotilla_pilot.model.gateway_servers import ends_https, is_plain_http, is_tls, passes_through
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.scope.gateway import BoundServer, GatewayScope
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Server, ServerTLSSettings
from flotilla_shared.model.protocols import Protocol, parse_protocol

Place = tuple[str, int]


class GatewayCompilation:
    """The compilation of one class of routers."""

    def __init__(self, snapshot: MeshSnapshot, scope: GatewayScope, proxy: Proxy, cache: ResourceCache) -> None:
        self.found = Collected(cache)
        self._snapshot = snapshot
        self._mesh = scope.mesh
        self._side = gateway_side(scope.mesh.topology)
        self._scope = scope
        self._cache = cache
        self._destinations = Destinations(snapshot, proxy.namespace, proxy.labels, scope.services)
        self._caller = caller_of(proxy)
        self._exposed: list[OutboundCluster] = []

    def compile(self) -> Collected:
        """Listeners and tables first: they tell which clusters are used."""
        for place, servers in self._scope.servers.items():
            self._add_listener(place, servers)
        add_mixer_clusters(self.found, self._snapshot, self._cache)
        for cluster in (*self._clusters(), *self._exposed):
            self.found.add_cluster(cluster, self._snapshot)
        hole = black_hole(self._mesh)
        self.found.intern(CLUSTER, hole.name, serialized(hole), keys(self._mesh.references))
        return self.found

    def _clusters(self) -> Iterable[OutboundCluster]:
        for host, number, subset in sorted(self._destinations.used):
            service = self._scope.services[host]
            port = service.port(number)
            if port is not None:
                policy = self._destinations.policy(service)
                yield OutboundCluster(service, port, subset, policy, self._mesh, binds=True, caller=self._caller)

    def _add_listener(self, place: Place, servers: tuple[BoundServer, ...]) -> None:
        """All servers of one place: plaintext HTTP share a table, the others have chains by SNI."""
        if not (is_place(*place) and is_port(place[1])):
            text = f"{place[0]}:{place[1]} is no place to listen on; bind must be an IP address"
            for each in servers:
                self.found.log.error(each.gateway.key, "bad-address", each.field, text)
            return
        held = self._compatible(place, servers)
        plain = [each for each in held if is_plain_http(each.server)]
        chains = [self._http_chain(place, plain)] if plain else self._other_chains(place, held)
        chains = [chain for chain in chains if chain is not None]
        if not chains:
            return
        name = names.listener(*place)
        listener = Listener(
            name=name,
            address=socket_address(*place),
            traffic_direction=TrafficDirection.OUTBOUND,
            filter_chains=chains,
            access_log=unmatched_logs(self._mesh),
            max_connections_to_accept_per_socket_event=ACCEPTED_AT_ONCE,
            listener_filters=connection_filters(self._mesh.topology),
        )
        limit_buffers(listener, self._mesh, router=True)
        for chain in listener.filter_chains:
            chain.transport_socket_connect_timeout.CopyFrom(HANDSHAKE)
        if any(chain.HasField("filter_chain_match") for chain in chains):
            listener.listener_filters.append(tls_inspector())
        self.found.intern(LISTENER, name, serialized(listener), keys(self._references(held)))

    def _compatible(self, place: Place, servers: tuple[BoundServer, ...]) -> list[BoundServer]:
        """The servers that fit beside the first: plaintext HTTP, plain TCP and TLS do not mix on a port."""
        kind = _kind(servers[0].server)
        fitting: list[BoundServer] = []
        for each in servers:
            if _kind(each.server) != kind or (kind == "TCP" and fitting):
                text = (
                    f"{place[0]}:{place[1]} is already served as {kind} by Gateway "
                    f"{servers[0].gateway.key.full_name}; use another port"
                )
                self.found.log.error(each.gateway.key, "listener-taken", f"{each.field}.port", text)
            else:
                fitting.append(each)
        return fitting

    def _http_chain(self, place: Place, servers: list[BoundServer]) -> FilterChain:
        routes = names.http_gateway_routes(place[1], servers[0].server.bind)
        self._add_table(routes, servers[0].port, servers)
        manager = http_manager(
            f"outbound_{names.listener(*place)};", self._side, self._mesh, routes, self._manner(servers)
        )
        return FilterChain(filters=[manager])

    def _manner(self, servers: Iterable[BoundServer]) -> Manner:
        return Manner(web=any(parse_protocol(each.server.port.protocol) is Protocol.GRPC_WEB for each in servers))

    def _other_chains(self, place: Place, servers: list[BoundServer]) -> list[FilterChain]:
        taken: set[str] = set()
        chains: list[FilterChain] = []
        for each in servers:
            if not each.server.HasField("tls"):
                chain = plain_chain(each, each.port, self._destinations, self._mesh)
                chains += [chain] if chain is not None else []
            elif passes_through(each.server):
                chains += self._passthrough(each, taken)
            else:
                chains += self._terminating(each, place, taken)
        return chains

    def _passthrough(self, bound: BoundServer, taken: set[str]) -> list[FilterChain]:
        if bound.server.tls.mode != ServerTLSSettings.AUTO_PASSTHROUGH:
            return list(sni_chains(bound, bound.port, self._destinations, self._mesh, taken))
        exposed = untaken(exposed_clusters(bound, self._destinations, self._mesh, self._caller), taken)
        self._exposed += exposed
        return [exposing_chain(each, self._mesh) for each in exposed]

    def _terminating(self, bound: BoundServer, place: Place, taken: set[str]) -> list[FilterChain]:
        """A server that ends TLS itself: a chain for those of its hosts that no older server has.

        Where HTTP is not looked into, TLS routes come first, each with a chain for the names that it asks for.
        """
        socket = gateway_server(bound.server.tls, self._mesh)
        self._use_provider(bound.server.tls)
        broken = socket_fault(socket)
        if broken is not None:
            text = f"Envoy's {broken[0]} {broken[1]}; this server is left out"
            self.found.log.error(bound.gateway.key, "refused-by-envoy", f"{bound.field}.tls", text)
            return []
        chains: list[FilterChain] = []
        if not ends_https(bound.server):
            chains += sni_chains(bound, bound.port, self._destinations, self._mesh, set(taken))
            for chain in chains:
                chain.transport_socket.CopyFrom(socket)
        routed = {name for chain in chains for name in chain.filter_chain_match.server_names or ("*",)}
        return [*chains, *self._by_host(bound, place, taken, routed, socket)]

    def _use_provider(self, settings: ServerTLSSettings) -> None:
        provider = provider_asked(settings, self._mesh)
        service = self._scope.services.get(provider[0]) if provider is not None else None
        if provider is not None and service is not None:
            self._destinations.of(service, provider[1])

    def _by_host(
        self, bound: BoundServer, place: Place, taken: set[str], routed: set[str], socket: Any
    ) -> list[FilterChain]:
        """A chain for the server's hosts; `routed` are names that chains of this server have already."""
        hosts = list(dict.fromkeys(text.lower().rpartition("/")[2] for text in bound.server.hosts))
        free = [host for host in hosts if host not in taken and is_server_name(host)]
        if len(free) < len(hosts):
            lost = ", ".join(host for host in hosts if host not in free)
            text = f"{lost} is served by an older server of this port, or is no name that TLS can ask for"
            self.found.log.error(bound.gateway.key, "host-taken", f"{bound.field}.hosts", text)
        taken.update(free, routed)
        free = [host for host in free if host not in routed]
        inner = self._inside_tls(bound, place) if free else None
        if inner is None:
            return []
        match = FilterChainMatch(transport_protocol="tls") if "*" in free else FilterChainMatch(server_names=free)
        chain = FilterChain(filter_chain_match=match, filters=[inner])
        chain.transport_socket.CopyFrom(socket)
        return [chain]

    def _inside_tls(self, bound: BoundServer, place: Place) -> Any | None:
        """What a server speaks behind its certificate: HTTP with a table of its own, or TCP by TCP routes."""
        server, key, port = bound.server, bound.gateway.key, bound.port
        if not ends_https(bound.server):
            chain = plain_chain(bound, port, self._destinations, self._mesh)
            return chain.filters[0] if chain is not None else None
        name = names.https_gateway_routes(port, server.port.name, key.name, key.namespace, server.bind)
        if name in self.found.resources[ROUTES]:
            name = f"{name}.{bound.index}"
        self._add_table(name, port, [bound])
        return http_manager(f"outbound_{names.listener(*place)};", self._side, self._mesh, name, self._manner([bound]))

    def _add_table(self, name: str, port: int, servers: list[BoundServer]) -> None:
        parts = gateway_parts(servers, port, self._destinations, self._cache, self._scope.namespace)
        for part in parts:
            self.found.merge_problems(part.problems)
        self.found.add(route_table(name, parts, self._cache, ignore_port=True))

    def _references(self, servers: Iterable[BoundServer]) -> list[Reference]:
        behind = [found for each in servers for found in each.behind]
        return [*(each.reference for each in servers), *behind, *self._mesh.references]


def _kind(server: Server) -> str:
    if is_plain_http(server):
        return "HTTP"
    return "TLS" if is_tls(server) else "TCP"


def compile_gateway(snapshot: MeshSnapshot, scope: GatewayScope, proxy: Proxy, cache: ResourceCache) -> Collected:
    """Everything of the routers that share `scope`."""
    return GatewayCompilation(snapshot, scope, proxy, cache).compile()
