"""Which outbound listeners a sidecar gets, and which services share each of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flotilla_pilot.compile import names
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.scope.sidecar import Egress, SidecarScope
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import Protocol

LOOPBACK = "127.0.0.1"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104

Held = tuple[Service, ServicePort]


@dataclass(slots=True, eq=False)
class ListenerPlan:
    """One outbound listener: HTTP services share a route table, TLS ones are told apart by SNI.

    `proxy` is an explicit HTTP proxy, which takes requests for all ports. `routes` names the table.
    """

    address: str
    port: int
    egress: Egress
    proxy: bool = False
    routes: str = ""
    http: list[Held] = field(default_factory=list)
    tls: list[Held] = field(default_factory=list)
    tcp: Held | None = None

    @property
    def name(self) -> str:
        return names.listener(self.address, self.port)

    @property
    def is_http(self) -> bool:
        return self.proxy or bool(self.http)


def plan_listeners(scope: SidecarScope, log: ProblemLog) -> list[ListenerPlan]:
    """The listeners of `scope` in the order of its ways out; each address is claimed once.

    A way out with a port takes services of that port only, and locks its listener. Services are heard
    oldest first; one that does not fit beside an older one is left out and reported.
    """
    plans: dict[tuple[str, int], ListenerPlan] = {}
    for number, egress in enumerate(scope.egress):
        if not is_place(egress.bind, egress.port):
            _report_place(scope, number, egress, log)
            continue
        own: dict[tuple[str, int], ListenerPlan] = {}
        if egress.protocol is Protocol.HTTP_PROXY:
            _plan_proxy(egress, scope, own)
        else:
            _plan_ports(egress, scope, own, plans, log)
        for place, plan in own.items():
            plans.setdefault(place, plan)
    _name_tables(plans.values())
    return list(plans.values())


def is_port(number: int) -> bool:
    return 0 < number < 1 << 16


def is_place(bind: str, port: int) -> bool:
    """Whether a listener can be there: Envoy wants an address (or none stated), and a port that exists."""
    return (not bind or is_ip(bind) or bind.startswith("unix://")) and (port == 0 or is_port(port))


def _report_place(scope: SidecarScope, number: int, egress: Egress, log: ProblemLog) -> None:
    for key, _ in scope.references:
        text = f"{egress.bind or 'any'}:{egress.port} is no place to listen on; bind must be an IP address"
        log.error(key, "bad-address", f"spec.egress[{number}]", text)


def _plan_proxy(egress: Egress, scope: SidecarScope, own: dict[tuple[str, int], ListenerPlan]) -> None:
    plan = ListenerPlan(_bind(egress, scope), egress.port, egress, proxy=True)
    for service in egress.services:
        plan.http += [(service, port) for port in service.ports if port.protocol.is_http]
    own[plan.address, plan.port] = plan


def _plan_ports(
    egress: Egress,
    scope: SidecarScope,
    own: dict[tuple[str, int], ListenerPlan],
    taken: dict[tuple[str, int], ListenerPlan],
    log: ProblemLog,
) -> None:
    for service in egress.services:
        for port in service.ports:
            if port.protocol is Protocol.UDP or egress.port not in (0, port.number) or not is_port(port.number):
                continue
            place = _place(egress, scope, service, port), port.number
            if place in taken:
                if egress.port:
                    _conflict(log, service, port, place, taken[place].name)
                continue
            _join(own.setdefault(place, ListenerPlan(*place, egress)), service, port, log)


def _place(egress: Egress, scope: SidecarScope, service: Service, port: ServicePort) -> str:
    """The address to listen on: where connections are intercepted, TCP services with an address have it."""
    if egress.bind or scope.binds or port.protocol.is_http:
        return _bind(egress, scope)
    return next((each for each in service.addresses if is_ip(each)), ANY_ADDRESS)


def _bind(egress: Egress, scope: SidecarScope) -> str:
    return egress.bind or (LOOPBACK if scope.binds or not egress.captured else ANY_ADDRESS)


def _join(plan: ListenerPlan, service: Service, port: ServicePort, log: ProblemLog) -> None:
    """Protocols that nobody told are treated as TCP."""
    if port.protocol.is_http:
        if plan.tcp or plan.tls:
            _conflict(log, service, port, (plan.address, plan.port), _first(plan))
        else:
            plan.http.append((service, port))
    elif plan.http or (plan.tcp and not port.protocol.is_tls):
        _conflict(log, service, port, (plan.address, plan.port), _first(plan))
    elif port.protocol.is_tls:
        plan.tls.append((service, port))
    else:
        plan.tcp = service, port


def _first(plan: ListenerPlan) -> str:
    held = [*plan.http, *([plan.tcp] if plan.tcp else []), *plan.tls]
    return held[0][0].host


def _conflict(log: ProblemLog, service: Service, port: ServicePort, place: tuple[str, int], winner: str) -> None:
    log.error(
        service.source.key,
        "listener-taken",
        service.port_field(port),
        f"{service.host}:{port.number} ({port.protocol}) cannot be reached at {place[0]}:{place[1]}, which "
        f"{winner} has already; give it a Sidecar egress listener with a bind address or a port of its own",
    )


def _name_tables(plans: Iterable[ListenerPlan]) -> None:
    """A route table is named after its port, and where two listeners share a port, after the listener."""
    taken: set[str] = set()
    for plan in plans:
        plan.routes = str(plan.port) if str(plan.port) not in taken else plan.name
        taken.add(plan.routes)
