"""Gateway servers that do not look into HTTP: plain TCP, and TLS passed through by SNI."""

from collections.abc import Iterator

from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain

from flotilla_pilot.compile import mixer
from flotilla_pilot.compile.connections import Shares, rule_chains, rule_shares, stat_prefix, tcp_route_applies
from flotilla_pilot.compile.destinations import Destinations
from flotilla_pilot.compile.matching import Client
from flotilla_pilot.compile.protocol_filters import protocol_filters
from flotilla_pilot.compile.tcp_proxy import tcp_proxy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.scope.gateway import BoundServer, served_rules
from flotilla_shared.model.protocols import parse_protocol
from flotilla_shared.model.static_attributes import OUTBOUND


def plain_chain(bound: BoundServer, port: int, destinations: Destinations, mesh: MeshOptions) -> FilterChain | None:
    """The first TCP route of the VirtualServices bound here; None if there is none."""
    client = _client(bound, port, destinations)
    for rules in served_rules(bound):
        for route in rules.spec.tcp:
            if tcp_route_applies(route, rules, client):
                targets, _ = rule_shares(route.route, rules, port, destinations)
                prefix = stat_prefix(targets, rules)
                known = protocol_filters(parse_protocol(bound.server.port.protocol), prefix)
                return FilterChain(filters=[*_asked(targets, mesh), *known, tcp_proxy(prefix, targets, mesh)])
    return None


def sni_chains(
    bound: BoundServer, port: int, destinations: Destinations, mesh: MeshOptions, taken: set[str]
) -> Iterator[FilterChain]:
    """A chain for each TLS match of the VirtualServices bound here; the server may end the TLS or leave it as it is."""
    client = _client(bound, port, destinations)
    for rules in served_rules(bound):
        for chain in rule_chains(rules, client, destinations, (), taken):
            message = chain.message(mesh)
            filters = [*_asked(chain.targets, mesh), *message.filters]
            del message.filters[:]
            message.filters.extend(filters)
            yield message


def _asked(targets: Shares, mesh: MeshOptions) -> list[Filter]:
    """A gateway asks Mixer about each connection, as 1.4's did; the service is that of the first share."""
    first = targets[0][0]
    asked = mixer.tcp_check(mesh, OUTBOUND, mixer.attributes_of(first.host, first.namespace, mesh))
    return [asked] if asked is not None else []


def _client(bound: BoundServer, port: int, destinations: Destinations) -> Client:
    gateways = frozenset({bound.gateway.key.full_name})
    return Client(port, destinations.namespace, destinations.labels, gateways)
