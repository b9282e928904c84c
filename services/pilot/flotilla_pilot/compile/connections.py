"""Outbound connections that are not HTTP: TCP services, and TLS services told apart by SNI."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import FilterChain, FilterChainMatch

from flotilla_pilot.compile.destinations import Destinations, Target
from flotilla_pilot.compile.matching import Client, applies
from flotilla_pilot.compile.protocol_filters import name_resolver, protocol_filters
from flotilla_pilot.compile.tcp_proxy import tcp_proxy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.route_rules import RouteRules, RuleIndex
from flotilla_pilot.model.services import Resolution, Service, ServicePort
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
)
from flotilla_shared.model.protocols import Protocol

Shares = Sequence[tuple[Target, int]]


@dataclass(frozen=True, slots=True, eq=False)
class SniChain:
    """One filter chain: connections for `sni` (`*`: for anything) go to `targets`.

    `networks` are those to which connections must have been meant to go; none: anywhere. Without `sni` they need
    not be TLS.
    """

    sni: tuple[str, ...]
    stat_prefix: str
    targets: Shares
    references: tuple[Reference, ...]
    networks: tuple[str, ...] = ()
    protocol: Protocol | None = None
    """What the port carries, as far as filters know it."""
    resolves_at: int = 0
    """The port of the host that TLS asks for, where that is resolved instead of going where it was dialled to."""

    def message(self, mesh: MeshOptions) -> FilterChain:
        names = [] if "*" in self.sni else self.sni
        only_tls = "*" in self.sni  # who asks for a name speaks TLS anyhow
        match = FilterChainMatch(transport_protocol="tls" if only_tls else "", server_names=names)
        for each in self.networks:
            address, _, length = each.partition("/")
            match.prefix_ranges.add(address_prefix=address).prefix_len.value = int(length)
        asked = match if match.ListFields() else None
        return FilterChain(filter_chain_match=asked, filters=list(self._filters(mesh)))

    def _filters(self, mesh: MeshOptions) -> Iterator[Any]:
        if self.resolves_at:
            yield name_resolver(self.resolves_at, mesh)
        yield from protocol_filters(self.protocol, self.stat_prefix)
        yield tcp_proxy(self.stat_prefix, self.targets, mesh)

    def key(self) -> tuple[object, ...]:
        """Equal keys give equal chains in one mesh."""
        targets = tuple((target.cluster, weight) for target, weight in self.targets)
        known = self.protocol is Protocol.MONGO, self.resolves_at
        return self.sni, self.networks, self.stat_prefix, targets, self.references, known


def tcp_chain(
    service: Service,
    port: ServicePort,
    rules: RuleIndex,
    destinations: Destinations,
    networks: tuple[str, ...] = (),
) -> SniChain:
    """For connections to a TCP service: by the first TCP route that is for this client, else to it."""
    best = rules.find(service.host)
    if best is not None:
        client = Client(port.number, destinations.namespace, destinations.labels)
        for route in best.spec.tcp:
            if tcp_route_applies(route, best, client):
                targets, used = rule_shares(route.route, best, port.number, destinations, service.references)
                return SniChain((), stat_prefix(targets, best), targets, used, networks, port.protocol)
    own = destinations.of(service, port.number)
    return SniChain(
        (), own.stat or own.cluster, [(own, 1)], (*service.references, *own.references), networks, port.protocol
    )


def stat_prefix(targets: Shares, rules: RouteRules) -> str:
    """What connections by a rule are counted under: their cluster, or where they are shared out, the rule."""
    key = rules.item.key
    only = targets[0][0] if len(targets) == 1 else None
    return only.stat or only.cluster if only is not None else f"{key.name}.{key.namespace}"


def subnet_chains(
    service: Service, port: ServicePort, rules: RuleIndex, destinations: Destinations
) -> Iterator[SniChain]:
    """A chain for each network that a TCP route before the first plain one asks for, as far as it is for this client."""
    best = rules.find(service.host)
    client = Client(port.number, destinations.namespace, destinations.labels)
    for route in best.spec.tcp if best is not None else ():
        if best is None or tcp_route_applies(route, best, client):
            return
        for match in route.match if route.route else ():
            if not match.source_subnet and applies(match, best, client):
                targets, used = rule_shares(route.route, best, port.number, destinations, service.references)
                for network in networks_asked(match):
                    yield SniChain((), stat_prefix(targets, best), targets, used, (network,), port.protocol)


def networks_asked(match: L4MatchAttributes | TLSMatchAttributes) -> tuple[str, ...]:
    """The networks that connections must have been meant for, in normal form; what is none is left out."""
    found: dict[str, None] = {}
    for text in match.destination_subnets:
        with suppress(ValueError):
            found[str(ip_network(text, strict=False))] = None
    return tuple(found)


def tcp_route_applies(route: TCPRoute, rules: RouteRules, client: Client) -> bool:
    """Whether a TCP route is for `client` wherever it connects to; one that leads nowhere is for nobody."""
    if not route.match or not route.route:
        return bool(route.route)
    plain = (each for each in route.match if not (_asks_addresses(each)))
    return any(applies(each, rules, client) for each in plain)


def _asks_addresses(match: object) -> bool:
    return bool(getattr(match, "destination_subnets", ()) or getattr(match, "source_subnet", ""))


def service_chains(
    service: Service,
    port: ServicePort,
    rules: RuleIndex,
    destinations: Destinations,
    taken: set[str],
    *,
    by_name: bool = True,
    by_network: bool = False,
) -> Iterator[SniChain]:
    """The chains of one TLS service: those that a VirtualService routes by SNI, then (`by_name`) its own name.

    `by_network`: the listener knows where connections were meant to go, so that matches may ask for it.
    """
    best = rules.find(service.host)
    if best is not None:
        client = Client(port.number, destinations.namespace, destinations.labels)
        yield from rule_chains(best, client, destinations, service.references, taken, by_network=by_network)
    own = _untaken((service.host,), taken) if by_name else ()
    if own:
        target = destinations.of(service, port.number)
        used = (*service.references, *target.references)
        resolves_at = port.number if service.resolution is Resolution.DYNAMIC_DNS else 0
        yield SniChain(own, target.stat or target.cluster, [(target, 1)], used, resolves_at=resolves_at)


def rule_chains(
    rules: RouteRules,
    client: Client,
    destinations: Destinations,
    references: tuple[Reference, ...],
    taken: set[str],
    *,
    by_network: bool = False,
) -> Iterator[SniChain]:
    """A chain for each TLS match that is for `client`; a name goes to the first that asks for it, in each network."""
    for route in rules.spec.tls:
        for match in route.match if route.route else ():
            if match.source_subnet or (match.destination_subnets and not by_network):
                continue
            if not applies(match, rules, client):
                continue
            for network in networks_asked(match) if match.destination_subnets else ("",):
                sni = _untaken(tuple(match.sni_hosts), taken, network)
                if sni:
                    targets, used = rule_shares(route.route, rules, client.port, destinations, references)
                    networks = (network,) if network else ()
                    yield SniChain(sni, stat_prefix(targets, rules), targets, used, networks)


def rule_shares(
    route: Iterable[RouteDestination],
    rules: RouteRules,
    port: int,
    destinations: Destinations,
    references: tuple[Reference, ...] = (),
) -> tuple[Shares, tuple[Reference, ...]]:
    """The targets of a TCP or TLS route with their weights, and all that they were found by."""
    targets = [(destinations.target(each.destination, rules, port), each.weight) for each in route]
    used = [found for target, _ in targets for found in target.references]
    return targets, tuple(dict.fromkeys((*references, *rules.references, *used)))


def _untaken(sni: tuple[str, ...], taken: set[str], network: str = "") -> tuple[str, ...]:
    """The names that are not taken yet, in that network, and that Envoy can match; they are taken then."""
    names = dict.fromkeys(each.lower() for each in sni)
    free = [each for each in names if each + network not in taken and is_server_name(each)]
    taken.update(each + network for each in free)
    return tuple(free)


def is_server_name(host: str) -> bool:
    """Whether a chain can match `host` (`*` by matching all): Envoy refuses stars inside a label."""
    return host == "*" or (bool(host) and "*" not in host.removeprefix("*."))
