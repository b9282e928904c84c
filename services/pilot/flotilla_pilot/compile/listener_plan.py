"""One outbound listener: its place, and the services that share it."""

from dataclasses import dataclass, field
from ipaddress import ip_address

from flotilla_pilot.compile import names
from flotilla_pilot.model.proxy_options import VIRTUAL_PORTS
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.scope.sidecar import Egress
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import Protocol

VIRTUAL_OUTBOUND_PORT = 15001
VIRTUAL_INBOUND_PORT = 15006
OWN_PORTS = VIRTUAL_PORTS | {15020, 15021, 15090}
"""Ports of an intercepting proxy and its agent: the two ways in, status, health, metrics. Nobody else may have them."""

Held = tuple[Service, ServicePort]
Networks = tuple[str, ...]


@dataclass(slots=True, eq=False)
class ListenerPlan:
    """One outbound listener: HTTP services share a route table, TLS ones are told apart by SNI.

    `proxy` is an explicit HTTP proxy, which takes requests for all ports; one that `tunnels` takes CONNECT too, and
    old clients. `routes` names the table. `owned`: the
    address is one service's alone, so whatever arrives is for it. `networks` are TCP services known by networks.
    """

    address: str
    port: int
    egress: Egress
    proxy: bool = False
    tunnels: bool = False
    routes: str = ""
    http: list[Held] = field(default_factory=list)
    tls: list[Held] = field(default_factory=list)
    tcp: Held | None = None
    owned: bool = False
    networks: list[tuple[Held, Networks]] = field(default_factory=list)

    @property
    def intercepted(self) -> bool:
        """Connections come by redirection, not by dialling: what nobody takes goes on to where it was meant for."""
        return self.egress.captured and not self.proxy

    @property
    def name(self) -> str:
        return names.listener(self.address, self.port)

    @property
    def is_dialled(self) -> bool:
        """Whether it is at an endpoint, which callers dial themselves: that of a headless service."""
        held = [*self.http, *self.tls, *([self.tcp] if self.tcp is not None else [])]
        return self.owned and all(service.headless for service, _ in held)

    @property
    def is_http(self) -> bool:
        return self.proxy or bool(self.http)

    @property
    def web(self) -> bool:
        """Whether it takes gRPC of browsers: as its way out says, or its oldest service."""
        stated = self.egress.protocol if self.egress.port or not self.http else self.http[0][1].protocol
        return stated is Protocol.GRPC_WEB


Places = dict[tuple[str, int], ListenerPlan]
"""Plans by address and port."""


def is_port(number: int) -> bool:
    return 0 < number < 1 << 16


def is_place(bind: str, port: int) -> bool:
    """Whether a listener can be there: Envoy wants an address (or none stated), and a port that exists."""
    return (not bind or is_ip(bind) or bind.startswith("unix://")) and (port == 0 or is_port(port))


def is_everywhere(bind: str) -> bool:
    """Whether it stands for every address."""
    return is_ip(bind) and ip_address(bind).is_unspecified


def place_of(bind: str, port: int) -> tuple[str, int]:
    """What nobody else may listen on. A socket in the file system has no ports."""
    return bind, 0 if bind.startswith("unix://") else port


def report_conflict(log: ProblemLog, service: Service, port: ServicePort, place: tuple[str, int], winner: str) -> None:
    key, where = service.declaration(port)
    log.error(
        key,
        "listener-taken",
        where,
        f"{service.host}:{port.number} ({port.protocol}) cannot be reached at {place[0]}:{place[1]}, which "
        f"{winner} has already; give it a Sidecar egress listener with a bind address or a port of its own",
    )
