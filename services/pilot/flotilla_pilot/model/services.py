"""Services and their endpoints, as ServiceEntry and WorkloadEntry describe them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.references import Reference, reference
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.protocols import Protocol

KUBERNETES_SERVICES = "k8s/core/v1/services"
ENDPOINT_SLICES = "k8s/discovery/v1/endpointslices"
PODS = "k8s/core/v1/pods"
"""Kubernetes objects are dependencies like any, under these collections; Galley knows nothing of them."""

TLS_ISTIO = "istio"
TLS_DISABLED = "disabled"


class Resolution(Enum):
    """How a service's name becomes addresses (ServiceEntry.Resolution)."""

    NONE = 0
    STATIC = 1
    DNS = 2
    DNS_ROUND_ROBIN = 3
    DYNAMIC_DNS = 4


class Health(Enum):
    """What the platform says of an endpoint; one that is about to end is never called anew."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    TERMINATING = "terminating"


ServiceName = tuple[str, str, bool]
"""Host, namespace, and whether it is Kubernetes' own."""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service; `target_port` 0 means the same number at the endpoint.

    `index` is its place in the object that declares it, and no part of what the port is.
    """

    number: int
    name: str
    protocol: Protocol
    target_port: int = 0
    index: int = field(default=0, compare=False)


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
    node: str = ""
    health: Health = Health.HEALTHY
    declared_as: str = ""
    """What it is called where it has no name of its own: by its ServiceEntry, and its place among several."""
    references: tuple[Reference, ...] = ()
    stated_ports_only: bool = False
    """It has no port but those that it names: as an EndpointSlice has it."""

    def port_for(self, port: ServicePort) -> int:
        """The endpoint's own port by name, else the service's target port, else its number (pilot.md 2.4).

        0 where it has no such port.
        """
        if self.stated_ports_only:
            return dict(self.ports).get(port.name, 0)
        return dict(self.ports).get(port.name) or port.target_port or port.number


class Alias(NamedTuple):
    """Another name of a service, and what declares it."""

    host: str
    reference: Reference


class NetworkGateway(NamedTuple):
    """A way into a network from outside of it."""

    network: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One host of one ServiceEntry, or one Kubernetes Service, with its endpoints.

    `unready` are workloads that serve it but take no calls now: calls that are under way still come in there.
    """

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
    headless: bool = False
    """A Kubernetes Service without an address: callers find its endpoints by DNS and dial one of them."""
    unready: tuple[Endpoint, ...] = ()
    traffic_distribution: str = ""
    """Whom its callers prefer, as `model.traffic_distribution` has it."""
    node_local: bool = False
    """Only endpoints on the caller's own node are called."""
    joined: tuple[ConfigObject, ...] = ()
    """Younger ServiceEntries that add ports to it."""
    external_name: str = ""
    """The host that it is another name of, or that DNS knows."""
    selector: FrozenMap = EMPTY
    """Of a Kubernetes Service: which workloads serve it."""
    network_gateways: tuple[NetworkGateway, ...] = ()
    """By which networks are entered at it."""
    aliases: tuple[Alias, ...] = ()
    """Its other names in the mesh."""
    references: tuple[Reference, ...] = field(init=False)
    version: str = field(init=False)
    """Tells whether anything of it, or of its endpoints, is different."""

    def __post_init__(self) -> None:
        """Fix what clusters and routes of the service are made from; its endpoints are counted apart."""
        own = tuple(map(reference, (self.source, *self.joined)))
        object.__setattr__(self, "references", (*own, *(each.reference for each in self.aliases)))
        made_of = dict.fromkeys(each for end in (*self.endpoints, *self.unready) for each in end.references)
        parts = (f"{key.full_name}@{version}" for key, version in made_of)
        declared = (each.version for each in (self.source, *self.joined))
        object.__setattr__(self, "version", ",".join((*declared, *parts)))

    @property
    def name(self) -> ServiceName:
        return self.host, self.namespace, self.is_native

    @property
    def shape(self) -> str:
        """Tells whether anything is different that is seen anywhere but in the endpoints themselves.

        Who the endpoints are, is: callers are told whom to trust. A headless service is called by its endpoints.
        """
        if not self.is_native or self.headless:
            return self.version
        return f"{self.source.version},{sorted(self.accounts)}"

    @property
    def counted(self) -> tuple[Endpoint, ...]:
        """The endpoints, with those that are not ready: how many these are tells callers when to go further."""
        return (*self.endpoints, *(each for each in self.unready if each.health is Health.UNHEALTHY))

    @property
    def accounts(self) -> frozenset[tuple[str, str]]:
        """Namespace and service account of every workload that serves it, whether it takes calls now or not."""
        every = (*self.endpoints, *self.unready)
        return frozenset((each.namespace, each.service_account) for each in every if each.service_account)

    @property
    def is_native(self) -> bool:
        """Whether it is Kubernetes' own, which counts before a ServiceEntry of the same host."""
        return self.source.key.collection == KUBERNETES_SERVICES

    @property
    def age(self) -> tuple[int, str, str]:
        return self.source.create_time_ns, self.host, self.namespace

    def port(self, number: int) -> ServicePort | None:
        return next((port for port in self.ports if port.number == number), None)

    def declaration(self, port: ServicePort) -> tuple[ObjectKey, str]:
        """The object that declares the port and where in it, for messages."""
        return self._declarer(port).key, f"spec.ports[{port.index}]"

    def _declarer(self, port: ServicePort) -> ConfigObject:
        if not self.joined:
            return self.source
        every = (self.source, *self.joined)
        return next(each for each in every if any(port.number == one.number for one in each.spec.ports))
