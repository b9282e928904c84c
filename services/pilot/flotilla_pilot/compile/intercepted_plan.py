"""Outbound listeners where connections are intercepted: what tells services apart that share a port (pilot.md 2.5).

A connection still has its destination. A service with an address of its own has a listener there; a headless one
has a listener at each of its endpoints; all others share `0.0.0.0:<port>`, HTTP by host name, TLS by SNI, TCP by
network, and one TCP service of the rest. What nobody takes goes on to where it was meant for.
"""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress

from flotilla_pilot.compile.listener_plan import (
    ListenerPlan,
    Networks,
    Places,
    report_conflict,
)
from flotilla_pilot.model.proxy_options import ProxyOptions
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.scope.sidecar import Egress
from flotilla_shared.model.problems import ProblemLog


def join_intercepted(
    egress: Egress,
    service: Service,
    port: ServicePort,
    own: Places,
    taken: Places,
    proxy: ProxyOptions,
    log: ProblemLog,
) -> None:
    """Put a port of a service into the listeners that it needs. `own` are this way out's, `taken` those of others.

    At the ports at which the proxy itself listens, at every address, nobody else can be.
    """
    everywhere = proxy.any_address
    for address in _addresses(service, port, everywhere):
        place = address, port.number
        if address == everywhere and proxy.reserves(port.number):
            refuse_own_port(service, port, log)
        elif place in taken:
            if egress.port:
                report_conflict(log, service, port, place, taken[place].name)
        else:
            plan = own.setdefault(place, ListenerPlan(*place, egress, owned=address != everywhere))
            _join(plan, service, port, log)


def refuse_own_port(service: Service, port: ServicePort, log: ProblemLog) -> None:
    """Tell that there is no listener for it."""
    text = f"port {port.number} is one of the proxy's own, so {service.host} cannot be reached by it from the mesh"
    key, where = service.declaration(port)
    log.error(key, "port-reserved", where, text)


def _addresses(service: Service, port: ServicePort, everywhere: str) -> Iterable[str]:
    """Where to listen; `everywhere` is shared with others."""
    if port.protocol.is_http:
        return [everywhere]
    if service.headless:
        return sorted({_normal(each.address) for each in service.endpoints if is_ip(each.address)})
    own = list(dict.fromkeys(_normal(each) for each in service.addresses if is_ip(each)))
    return [*own, *([everywhere] if networks_of(service) or not own else [])]


def networks_of(service: Service) -> Networks:
    """The service's addresses that are networks, in normal form; what is none is left out."""
    found: dict[str, None] = {}
    for each in service.addresses:
        with suppress(ValueError):
            found.update(dict.fromkeys([str(ipaddress.ip_network(each, strict=False))] if "/" in each else []))
    return tuple(found)


def _normal(address: str) -> str:
    """Two ways to write an address are one place for Envoy."""
    return str(ipaddress.ip_address(address))


def _join(plan: ListenerPlan, service: Service, port: ServicePort, log: ProblemLog) -> None:
    """Protocols that nobody told are found out: such a service is HTTP and TCP at once."""
    held = service, port
    networks = () if plan.owned else networks_of(service)
    sniffed = not (port.protocol.is_http or port.protocol.is_tcp)
    if sniffed or port.protocol.is_http:
        if plan.owned and plan.http:
            report_conflict(log, service, port, (plan.address, plan.port), plan.http[0][0].host)
            return
        plan.http.append(held)
    if port.protocol.is_tls:
        plan.tls.append(held)
        if plan.owned and plan.tcp is None:
            plan.tcp = held
    elif networks:
        _join_networks(plan, service, port, networks, log)
    elif not port.protocol.is_http and plan.tcp is None:
        plan.tcp = held
    elif not port.protocol.is_http and not sniffed and plan.tcp is not None:
        report_conflict(log, service, port, (plan.address, plan.port), plan.tcp[0].host)


def _join_networks(
    plan: ListenerPlan, service: Service, port: ServicePort, networks: Networks, log: ProblemLog
) -> None:
    """A network is the first service's that has it: Envoy refuses a listener in which it stands twice."""
    held = {each: owner for (owner, _), nets in plan.networks for each in nets}
    free = tuple(each for each in dict.fromkeys(networks) if each not in held)
    for each in networks:
        if each in held:
            report_conflict(log, service, port, (each, plan.port), held[each].host)
    if free:
        plan.networks.append(((service, port), free))
