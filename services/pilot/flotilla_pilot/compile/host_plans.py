"""Which virtual hosts a sidecar's route tables have: of services, and of hosts that only rules know."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

from flotilla_pilot.compile.matching import Client, routes_http
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_pilot.model.services import Service
from flotilla_pilot.scope.sidecar import Egress, SidecarScope
from flotilla_shared.model.hosts import covers, is_wildcard, local_name, short_names

_HTTP_PORT = 80


@dataclass(frozen=True, slots=True, eq=False)
class HostPlan:
    """A virtual host to be made: whose name it is, on which port, and which rules route it."""

    host: str
    port: int
    domains: tuple[str, ...]
    rules: RouteRules | None
    service: Service | None


class RulesOfHosts:
    """Finds the rules that route the requests of a scope's proxies to a host."""

    def __init__(self, egress: Egress, scope: SidecarScope) -> None:
        self._egress = egress
        self._scope = scope
        self._clients: dict[int, Client] = {}

    def find(self, host: str, port: int) -> RouteRules | None:
        """Those for the host that have something to say of these requests: others leave it as it is."""
        return self._egress.routes.find(host, lambda rules: self.route(rules, port))

    def route(self, rules: RouteRules, port: int) -> bool:
        client = self._clients.get(port)
        if client is None:
            client = self._clients[port] = Client(port, self._scope.namespace, self._scope.labels)
        return routes_http(rules, client)


def plan_hosts(
    egress: Egress, ports: Iterable[tuple[Service, int]], scope: SidecarScope, *, port_in_domain: bool
) -> list[HostPlan]:
    """The virtual hosts of one listener: its services, oldest first, then hosts that only rules know.

    `port_in_domain`: the listener takes requests for all ports, so that the port is part of the name.
    A domain goes to the first that claims it: Envoy refuses a whole table for a name given twice.
    """
    rules = RulesOfHosts(egress, scope)
    pairs = list(ports)
    plans = []
    for service, number in pairs:
        claimed = _claims(service, number, scope, port_in_domain)
        plans.append(HostPlan(service.host, number, claimed, rules.find(service.host, number), service))
    plans += _rule_hosts(egress, pairs, rules, port_in_domain)
    taken = {"*"}
    granted: dict[int, tuple[str, ...]] = {}
    for index in _by_claim(plans, egress):
        free = tuple(each for each in dict.fromkeys(plans[index].domains) if each.lower() not in taken)
        taken.update(each.lower() for each in free)
        granted[index] = free
    return [replace(plan, domains=granted[index]) for index, plan in enumerate(plans) if granted[index]]


def _claims(service: Service, port: int, scope: SidecarScope, port_in_domain: bool) -> tuple[str, ...]:
    """All names of a service: its other ones come last."""
    own = domains(service, port, port_in_domain, scope.namespace, scope.domain)
    named = [each for alias in service.aliases for each in _names(alias.host, scope.namespace, scope.domain)]
    return (*own, *_on_port(named, port, port_in_domain))


def _by_claim(plans: list[HostPlan], egress: Egress) -> list[int]:
    """Whose claims are heard first, by index: those of rules, each with its services behind what only it knows."""
    place = {rules: number for number, rules in enumerate(egress.rules)}
    last = len(place)

    def claim(index: int) -> tuple[int, bool, int]:
        plan = plans[index]
        return (place[plan.rules] if plan.rules is not None else last), plan.service is not None, index

    return sorted(range(len(plans)), key=claim)


def plan_owned(egress: Egress, ports: Iterable[tuple[Service, int]], scope: SidecarScope) -> list[HostPlan]:
    """Of a listener that is one service's alone: everything is for that service, whatever name was asked for."""
    rules = RulesOfHosts(egress, scope)
    return [HostPlan(each.host, port, ("*",), rules.find(each.host, port), each) for each, port in ports]


def _rule_hosts(
    egress: Egress, pairs: Iterable[tuple[Service, int]], routing: RulesOfHosts, port_in_domain: bool
) -> Iterable[HostPlan]:
    """Hosts of VirtualServices that no service has: reached where another host of theirs is, else on port 80.

    By an explicit proxy on port 80 too: that is what names without a port mean.
    """
    ports: dict[str, list[int]] = {}
    for service, number in pairs:
        ports.setdefault(service.host, []).append(number)
    offered = {number for found in ports.values() for number in found} | {egress.port}
    for rules, found, unknown in _by_rules(egress, offered, port_in_domain):
        reached = dict.fromkeys(number for host in found for number in ports.get(host, ()))
        if port_in_domain or (not reached and _HTTP_PORT in offered):
            reached[_HTTP_PORT] = None
        for host, number in product(unknown, (each for each in reached if routing.route(rules, each))):
            yield HostPlan(host, number, _claimed(host, number, port_in_domain), rules, None)


def _claimed(host: str, port: int, port_in_domain: bool) -> tuple[str, ...]:
    if not port_in_domain:
        return (host,)
    return (host, f"{host}:{port}") if port == _HTTP_PORT else (f"{host}:{port}",)


def _by_rules(
    egress: Egress, offered: set[int], port_in_domain: bool
) -> Iterable[tuple[RouteRules, list[str], list[str]]]:
    """Rules with those services of the table that are theirs, and those of their hosts that are no service's here."""
    here = [each for each in egress.services if port_in_domain or any(port.number in offered for port in each.ports)]
    hosts = dict.fromkeys(each.host for each in here)
    for rules in egress.rules:
        found, unknown = [], []
        for host in rules.hosts:
            own = [each for each in hosts if covers(host, each)] if is_wildcard(host) else [host] * (host in hosts)
            found += own
            unknown += [] if own else [host]
        if unknown:
            yield rules, found, unknown


def domains(service: Service, port: int, port_in_domain: bool, namespace: str, domain: str) -> list[str]:
    """By what a service is called on a port, its addresses among them."""
    found = _names(service.host, namespace, domain)
    if service.headless:
        found += [f"*.{each}" for each in found]
    found += [f"[{each}]" if ":" in each else each for each in service.addresses if is_ip(each)]
    return _on_port(found, port, port_in_domain)


def _names(host: str, namespace: str, domain: str) -> list[str]:
    """A host, in its absolute form too, and the shorter names that it has in a namespace."""
    found = [host]
    if host != "*" and not is_ip(host):
        found.append(f"{host}.")
    if not is_wildcard(host):
        short = local_name(host, namespace, domain)
        found += [*([short] if short else []), *short_names(host, domain)]
    return found


def _on_port(names: list[str], port: int, port_in_domain: bool) -> list[str]:
    if not port_in_domain:
        return names
    return [f"{each}:{port}" for each in names] + (names if port == _HTTP_PORT else [])
