"""Which outbound listeners a sidecar gets, and which services share each of them."""

from collections.abc import Iterable

from flotilla_pilot.compile import names
from flotilla_pilot.compile.endpoints import UNIX
from flotilla_pilot.compile.intercepted_plan import join_intercepted, refuse_own_port
from flotilla_pilot.compile.listener_plan import (
    ListenerPlan,
    Places,
    is_everywhere,
    is_place,
    is_port,
    place_of,
    report_conflict,
)
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.scope.sidecar import Egress, SidecarScope
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import Protocol


def plan_listeners(scope: SidecarScope, log: ProblemLog) -> list[ListenerPlan]:
    """The listeners of `scope` in the order of its ways out; each address is claimed once.

    A way out with a port takes services of that port only, and locks its listener. Services are heard
    oldest first; one that does not fit beside an older one is left out and reported.
    """
    plans: Places = {}
    for number, egress in enumerate(scope.egress):
        if not is_place(egress.bind, egress.port):
            text = f"{egress.bind or 'any'}:{egress.port} is no place to listen on; bind must be an IP address"
            _report(scope, "bad-address", f"spec.egress[{number}]", text, log)
            continue
        if _is_own(egress.bind, egress.port, scope):
            text = f"port {egress.port} is one of the proxy's own; use another"
            _report(scope, "port-reserved", f"spec.egress[{number}].port", text, log)
            continue
        own: Places = {}
        if egress.bind.startswith(UNIX):
            _plan_socket(egress, own, log)
        elif egress.protocol is Protocol.HTTP_PROXY:
            _plan_proxy(egress, scope, own)
        else:
            _plan_ports(egress, scope, own, plans, log)
        for place, plan in own.items():
            plans.setdefault(place, plan)
    _plan_mesh_proxy(scope, plans)
    _name_tables(plans.values())
    return list(plans.values())


def _report(scope: SidecarScope, code: str, field: str, text: str, log: ProblemLog) -> None:
    for key, _ in scope.references:
        log.error(key, code, field, text)


def _is_own(bind: str, port: int, scope: SidecarScope) -> bool:
    """Whether an intercepting proxy listens there itself, at every address."""
    return not scope.binds and is_everywhere(bind) and scope.mesh.proxy.reserves(port)


def _plan_proxy(egress: Egress, scope: SidecarScope, own: Places) -> None:
    plan = ListenerPlan(_bind(egress, scope), egress.port, egress, proxy=True, tunnels=True)
    _take_all(plan, egress)
    own[place_of(plan.address, plan.port)] = plan


def _plan_socket(egress: Egress, own: Places, log: ProblemLog) -> None:
    """A socket of the file system has no port: HTTP is asked for by host and port, of TCP services there is one."""
    takes_http = egress.protocol is None or egress.protocol.is_http
    plan = ListenerPlan(egress.bind, 0, egress, proxy=takes_http, routes=egress.bind)
    if takes_http:
        _take_all(plan, egress)
    for service in () if takes_http else egress.services:
        for port in service.ports:
            if not (port.protocol.is_http or port.protocol is Protocol.UDP):
                _join(plan, service, port, log)
    if takes_http or plan.tcp or plan.tls:
        own[plan.address, plan.port] = plan


def _take_all(plan: ListenerPlan, egress: Egress) -> None:
    for service in egress.services:
        plan.http += [(service, port) for port in service.ports if port.protocol.is_http]


def _plan_mesh_proxy(scope: SidecarScope, plans: Places) -> None:
    """The proxy that the mesh has everywhere at one port of the loopback address, if it wants one."""
    number = scope.mesh.proxy.http_proxy_port or scope.mesh.http_proxy_port
    egress = next((each for each in scope.egress if not each.port), None)
    if egress is None or not is_port(number):
        return
    plan = ListenerPlan(scope.mesh.proxy.loopback, number, egress, proxy=True, routes=names.PROXY_ROUTES)
    _take_all(plan, egress)
    plans.setdefault((plan.address, plan.port), plan)


def _plan_ports(
    egress: Egress,
    scope: SidecarScope,
    own: Places,
    taken: Places,
    log: ProblemLog,
) -> None:
    for service in egress.services:
        for port in service.ports:
            if port.protocol is Protocol.UDP or egress.port not in (0, port.number) or not is_port(port.number):
                continue
            if egress.captured and not egress.bind:
                join_intercepted(egress, service, port, own, taken, scope.mesh.proxy, log)
                continue
            if not scope.mesh.proxy.may_bind(port.number):
                _report_no_right(service, port, log)
                continue
            bind = _bind(egress, scope)
            if _is_own(bind, port.number, scope):
                refuse_own_port(service, port, log)
                continue
            place = place_of(bind, port.number)
            plan = taken.get(place) or own.setdefault(place, ListenerPlan(bind, port.number, egress))
            if place not in taken and plan.port == port.number:
                _join(plan, service, port, log)
            elif egress.port or place not in taken:
                report_conflict(log, service, port, place, plan.name)


def _report_no_right(service: Service, port: ServicePort, log: ProblemLog) -> None:
    key, where = service.declaration(port)
    text = f"a proxy without rights cannot listen on {port.number}, so {service.host} cannot be reached by it there"
    log.error(key, "bad-address", where, text)


def _bind(egress: Egress, scope: SidecarScope) -> str:
    proxy = scope.mesh.proxy
    return egress.bind or (proxy.loopback if scope.binds or not egress.captured else proxy.any_address)


def _join(plan: ListenerPlan, service: Service, port: ServicePort, log: ProblemLog) -> None:
    """Protocols that nobody told are treated as TCP."""
    if port.protocol.is_http:
        if plan.tcp or plan.tls:
            report_conflict(log, service, port, (plan.address, plan.port), _first(plan))
        else:
            plan.http.append((service, port))
    elif plan.http or (plan.tcp and not port.protocol.is_tls):
        report_conflict(log, service, port, (plan.address, plan.port), _first(plan))
    elif port.protocol.is_tls:
        plan.tls.append((service, port))
    else:
        plan.tcp = service, port


def _first(plan: ListenerPlan) -> str:
    held = [*plan.http, *([plan.tcp] if plan.tcp else []), *plan.tls]
    return held[0][0].host


def _name_tables(plans: Iterable[ListenerPlan]) -> None:
    """A route table is named after its port; that of one service, or where two listeners share a port, otherwise."""
    taken: set[str] = set()
    for plan in plans:
        if plan.routes:
            continue
        plan.routes = str(plan.port) if str(plan.port) not in taken else plan.name
        if plan.owned and plan.http:
            plan.routes = names.service_routes(plan.http[0][0].host, plan.port)
        taken.add(plan.routes)
