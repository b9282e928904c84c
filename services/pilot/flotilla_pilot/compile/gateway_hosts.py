"""Virtual hosts of a gateway: server hosts and VirtualService hosts intersected, routes of all merged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from envoy.config.route.v3.route_components_pb2 import VirtualHost

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.destinations import Destinations
from flotilla_pilot.compile.gateway_routes import WireRoutes, catch_alls_last, wire_routes
from flotilla_pilot.compile.matching import Client, routes_http
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import length_delimited
from flotilla_pilot.compile.route_action import RouteTargets, find_targets
from flotilla_pilot.compile.virtual_hosts import VIRTUAL_HOSTS, HostPart, wire_host
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_pilot.scope.gateway import BoundServer, served_hosts
from flotilla_shared.model.hosts import specificity
from flotilla_shared.model.problems import ProblemLog


@dataclass(slots=True, eq=False)
class GatewayHost:
    """One virtual host: its first server's port, and the rules that route it, each with the gateways it came by."""

    host: str
    port: int
    tls: bool = False
    redirects: bool = False
    rules: dict[RouteRules, list[str]] = field(default_factory=dict)
    references: dict[Reference, None] = field(default_factory=dict)

    @property
    def manner(self) -> object:
        """Hosts of an equal one are served alike."""
        rules = frozenset((rules, tuple(gateways)) for rules, gateways in self.rules.items())
        return self.port, self.tls, self.redirects, rules


def gateway_parts(
    servers: Sequence[BoundServer],
    port: int,
    destinations: Destinations,
    cache: ResourceCache,
    namespace: str,
) -> list[HostPart]:
    """The virtual hosts of one route table, sorted by host; one without routes, which answers 404, if there is none.

    Hosts that are served alike are one virtual host, under the most specific of their names.
    """
    hosts = _gather(servers, namespace, destinations)
    if not hosts:
        return [_nothing(servers, port)]
    alike: dict[object, list[str]] = {}
    for name in sorted(hosts, key=specificity):
        alike.setdefault(hosts[name].manner, []).append(name)
    return [_part([hosts[name] for name in names], destinations, cache, namespace) for names in sorted(alike.values())]


def _nothing(servers: Sequence[BoundServer], port: int) -> HostPart:
    host = VirtualHost(name=f"blackhole:{port}", domains=["*"])
    return HostPart(wire_host(host), keys(each.reference for each in servers), {})


def _gather(servers: Iterable[BoundServer], namespace: str, destinations: Destinations) -> dict[str, GatewayHost]:
    hosts: dict[str, GatewayHost] = {}
    for bound in servers:
        name = bound.gateway.key.full_name
        client = Client(bound.port, namespace, destinations.labels, frozenset({name}))
        redirects = bound.server.tls.https_redirect
        if redirects:
            for text in bound.server.hosts:
                _claim(hosts, text.lower().rpartition("/")[2], bound, redirects)
        for rules in (each for each in bound.rules if routes_http(each, client)):
            for host in served_hosts(bound, rules):
                found = _claim(hosts, host, bound, redirects)
                found.rules.setdefault(rules, []).append(name)
    return hosts


def _claim(hosts: dict[str, GatewayHost], host: str, bound: BoundServer, redirects: bool) -> GatewayHost:
    found = hosts.setdefault(host, GatewayHost(host, bound.port, bound.server.HasField("tls")))
    found.redirects = found.redirects or redirects
    found.references[bound.reference] = None
    return found


def _part(alike: Sequence[GatewayHost], destinations: Destinations, cache: ResourceCache, namespace: str) -> HostPart:
    """The virtual host of hosts that are served alike; its name is the first one's."""
    host, domains = alike[0], tuple(each.host for each in alike)
    found = [(rules, tuple(names), _targets(rules, destinations, host.port)) for rules, names in host.rules.items()]
    found.sort(key=lambda each: (each[0].item.create_time_ns, each[0].item.key.name, each[0].item.key.namespace))
    servers = dict.fromkeys(reference for each in alike for reference in each.references)
    references = dict.fromkeys((*servers, *destinations.snapshot.mesh.references))
    for rules, _, targets in found:
        references.update(dict.fromkeys(rules.references))
        references.update(dict.fromkeys(each for target in targets.all() for each in target.references))
    used = tuple(references)
    asked = tuple((rules.references, names, targets.key()) for rules, names, targets in found)
    key = ("gateway host", domains, host.redirects, host.port, host.tls, namespace, destinations.labels, used, asked)

    def build() -> HostPart:
        routes = []
        for rules, names, to in found:
            client = Client(host.port, namespace, destinations.labels, frozenset(names), host.tls)
            # As in Istio, each server brings the routes anew; the first that match are the ones that count.
            routes += [wire_routes(rules, client, to, destinations.snapshot.mesh, cache)] * len(names)
        return _build(host, domains, routes, used)

    part: HostPart = cache.get(key, build)
    return part


def _targets(rules: RouteRules, destinations: Destinations, port: int) -> RouteTargets:
    return find_targets(rules, lambda destination: destinations.target(destination, rules, port))


def _build(
    host: GatewayHost, domains: Sequence[str], found: Sequence[WireRoutes], references: Iterable[Reference]
) -> HostPart:
    log = ProblemLog()
    for each in found:
        log.merge(each.problems)
    routes = catch_alls_last(route for each in found for route in each.routes)
    head = VirtualHost(name=f"{host.host}:{host.port}", domains=domains)
    tail = VirtualHost(
        include_request_attempt_count=True, require_tls=VirtualHost.ALL if host.redirects else VirtualHost.NONE
    )
    body = b"".join((serialized(head), *(each.wire for each in routes), serialized(tail)))
    return HostPart(length_delimited(VIRTUAL_HOSTS, body), keys(references), log.found())
