"""What an outbound cluster is made from: a port of a service, whole or a subset of it, for one class of callers."""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field

from flotilla_pilot.compile import names
from flotilla_pilot.compile.endpoints import has_port
from flotilla_pilot.compile.locality import Balance, balance_of
from flotilla_pilot.compile.priorities import Group, Member, by_locality, only_mutual, placed
from flotilla_pilot.compile.traffic_policy import PortPolicy, port_policy, speaks_http2, with_defaults
from flotilla_pilot.model.caller import A_SIDECAR, Caller
from flotilla_pilot.model.destination_rules import DestinationPolicy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import ANYWHERE, TOPOLOGY, Place, label_of
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.services import Endpoint, Resolution, Service, ServicePort
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings
from flotilla_shared.model.spiffe import in_trust_domains, spiffe_id

OUTSIDE = (ClientTLSSettings.SIMPLE, ClientTLSSettings.MUTUAL)
"""TLS with certificates that are not the mesh's."""

_DYNAMIC = (Resolution.NONE, Resolution.DYNAMIC_DNS)


@dataclass(frozen=True, slots=True, eq=False)
class OutboundCluster:
    """All that an outbound cluster is made from."""

    service: Service
    port: ServicePort
    subset: str
    policy: DestinationPolicy
    mesh: MeshOptions
    binds: bool
    dialled_mutual: bool = False
    """Every endpoint takes the mesh's TLS, whichever of them a caller dials."""
    refuses_tls: bool = False
    """The mesh's TLS is switched off for the namespace of the service."""
    stated: tuple[Reference, ...] = ()
    """What says so."""
    passed_through: bool = False
    """Connections come with the caller's own TLS, which a gateway leaves as it is."""
    place: Place = ANYWHERE
    """Where it is called from, as far as that makes a difference."""
    caller: Caller = A_SIDECAR
    effective: PortPolicy = field(init=False)
    """What the policy and the mesh say of this port and subset."""
    balance: Balance | None = field(init=False)

    def __post_init__(self) -> None:
        """Find out what applies, and how calls are spread over localities: several ask for it."""
        said = port_policy(self.policy.policy, self.policy.subset(self.subset), self.port.number)
        effective = with_defaults(said, self.mesh.clusters)
        object.__setattr__(self, "effective", effective)
        object.__setattr__(self, "balance", balance_of(self.mesh, effective, self.service.traffic_distribution))

    @property
    def name(self) -> str:
        if self.passed_through:
            return names.outbound_sni(self.port.number, self.subset, self.service.host)
        return names.outbound_cluster(self.port.number, self.subset, self.service.host)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service's endpoints that the place can reach, or of them those with all labels of the subset.

        Unhealthy ones are among them unless all would be called when too few are healthy.
        """
        found = self.service.endpoints if self.panics else self.service.counted
        if self.service.node_local:
            found = tuple(each for each in found if each.node == self.place.node)
        subset = self.policy.subset(self.subset) if self.subset else None
        return found if subset is None else tuple(each for each in found if self._has(each, subset.labels))

    @property
    def panics(self) -> bool:
        """Whether all endpoints are called, in whatever state, when too few of them are healthy."""
        watched = self.effective.outlier_detection
        return watched is not None and watched.min_health_percent > 0 and not self.service.traffic_distribution

    def _has(self, endpoint: Endpoint, labels: Mapping[str, str]) -> bool:
        if TOPOLOGY.isdisjoint(labels):
            return labels.items() <= endpoint.labels.items()
        return all(label_of(endpoint, name, self.mesh.cluster_id) == value for name, value in labels.items())

    @property
    def is_placed(self) -> bool:
        """Whether callers at different places are told of different endpoints, or in a different order."""
        told = self.has_assignment or self.is_resolved
        return told and (self.balance is not None or self.service.node_local)

    def at(self, place: Place) -> "OutboundCluster":
        """The same, called from `place`."""
        made = copy(self)
        object.__setattr__(made, "place", place)
        return made

    def by_locality(self, members: Iterable[Member]) -> list[Group]:
        """Endpoints (with whether they take the mesh's TLS) by locality, as they are for callers anywhere."""
        groups = by_locality(members)
        # The caller's TLS is passed on, and it is the mesh's: nobody else can answer it.
        return [only_mutual(each, self.effective.tls) for each in groups] if self.passed_through else groups

    def in_order(self, groups: list[Group]) -> list[Group]:
        """The groups with the priorities and weights that they have from the place."""
        if self.balance is None:
            return groups
        return placed(groups, self.balance, self.place, self.mesh.cluster_id)

    def seen(self) -> object:
        """What of the place the endpoints' order and weights depend on."""
        return None if self.balance is None else (self.balance, self.balance.seen_from(self.place))

    def reached(self) -> list[Endpoint]:
        """The endpoints that have the port."""
        return [each for each in self.endpoints() if has_port(each, self.port)]

    def identities(self) -> tuple[str, ...]:
        """Who may answer: the accounts of all that serve it in any trust domain of the mesh, and the names it states."""
        domains = self.mesh.trust_domains
        found = {spiffe_id(domain, *each) for domain in domains for each in self.service.accounts}
        return tuple(sorted(found.union(in_trust_domains(self.service.subject_alt_names, domains[1:]))))

    @property
    def http2(self) -> bool:
        return speaks_http2(self.port.protocol, self.effective.connection_pool, self.mesh.h2_upgrade)

    @property
    def has_assignment(self) -> bool:
        """Whether Pilot tells the endpoints. A headless service's, where nobody has dialled one of them already."""
        if self.effective.passes_through:
            return False
        return self.service.resolution is Resolution.STATIC or (self.service.headless and self.binds)

    @property
    def is_dialled(self) -> bool:
        """Whether a connection goes to the very endpoint that the caller dialled."""
        if self.effective.passes_through:
            return True
        return self.service.resolution is Resolution.NONE and not (self.has_assignment or self.forwards)

    @property
    def forwards(self) -> bool:
        """Whether what a caller asks for says where to: a bound listener has no original destination."""
        protocol, resolution = self.port.protocol, self.service.resolution
        if resolution is Resolution.DYNAMIC_DNS:
            return protocol.is_http or protocol.is_tls
        return resolution is Resolution.NONE and self.binds and protocol.is_http

    @property
    def is_unverified(self) -> bool:
        """Whether a rule asks that no certificate be looked at."""
        tls = self.effective.tls
        return tls is not None and tls.mode in OUTSIDE and tls.insecure_skip_verify.value

    @property
    def is_resolved(self) -> bool:
        """Whether the callers resolve the names of its endpoints, which are part of the cluster then."""
        return not (self.has_assignment or self.is_dialled or self.service.resolution in _DYNAMIC)

    @property
    def exists(self) -> bool:
        """Whether there is such a cluster: what is resolved by name needs one name at least."""
        return self.has_assignment or self.is_dialled or self.forwards or bool(self.reached())

    @property
    def sniffed(self) -> bool:
        """Nobody said what the port speaks, and the listener finds it out connection by connection."""
        return not self.binds and not (self.port.protocol.is_http or self.port.protocol.is_tcp)

    def key(self) -> tuple[object, ...]:
        """Equal keys give equal clusters."""
        stated = self.references()
        return (
            "cluster",
            self.name,
            self.service.namespace,
            self.binds,
            self.caller,
            self.dialled_mutual,
            self.refuses_tls,
            self.service.traffic_distribution,
            self.identities(),
            stated,
            self._inline(),
        )

    def references(self) -> tuple[Reference, ...]:
        """What the cluster is made from; endpoints show in it by their accounts only, and are not counted."""
        return (*self.service.references, *self.policy.references, *self.mesh.references, *self.stated)

    def _inline(self) -> tuple[object, ...]:
        """The endpoints where they are part of the cluster itself."""
        if not self.is_resolved:
            return ()
        return self.seen(), *((each, each.references) for each in self.endpoints())
