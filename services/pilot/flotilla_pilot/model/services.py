"""Services and their endpoints, as ServiceEntry and WorkloadEntry describe them."""

from dataclasses import dataclass, field
from enum import Enum

from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.references import Reference, reference
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.protocols import Protocol

TLS_ISTIO = "istio"
TLS_DISABLED = "disabled"


class Resolution(Enum):
    """How a service's name becomes addresses (ServiceEntry.Resolution)."""

    NONE = 0
    STATIC = 1
    DNS = 2
    DNS_ROUND_ROBIN = 3
    DYNAMIC_DNS = 4


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service; `target_port` 0 means the same number at the endpoint."""

    number: int
    name: str
    protocol: Protocol
    target_port: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that serves a service. `address` is an IP, a host name (DNS) or `unix://` and a path."""

    address: str
    name: str = ""
    namespace: str = ""
    ports: tuple[tuple[str, int], ...] = ()
    labels: FrozenMap = EMPTY
    service_account: str = ""
    tls_mode: str = TLS_DISABLED
    network: str = ""
    locality: str = ""
    weight: int = 1
    references: tuple[Reference, ...] = ()

    def port_for(self, port: ServicePort) -> int:
        """The endpoint's own port by name, else the service's target port, else its number (pilot.md 2.4)."""
        return dict(self.ports).get(port.name) or port.target_port or port.number


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One host of one ServiceEntry, with its endpoints."""

    host: str
    namespace: str
    ports: tuple[ServicePort, ...]
    resolution: Resolution
    external: bool
    addresses: tuple[str, ...]
    export_to: tuple[str, ...]
    subject_alt_names: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    source: ConfigObject
    references: tuple[Reference, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Fix what clusters and routes of the service are made from; its endpoints are counted apart."""
        object.__setattr__(self, "references", (reference(self.source),))

    @property
    def age(self) -> tuple[int, str, str]:
        return self.source.create_time_ns, self.host, self.namespace

    def port(self, number: int) -> ServicePort | None:
        return next((port for port in self.ports if port.number == number), None)

    def port_field(self, port: ServicePort) -> str:
        """Where the port is written in the object, for messages."""
        return f"spec.ports[{self.ports.index(port)}]"
