"""Clusters: one for each port and subset of a service, and those that every proxy has."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import BindConfig, SocketAddress
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile import mixer, names, tls
from flotilla_pilot.compile.endpoints import has_port, load_assignment, socket_address
from flotilla_pilot.compile.locality import Balance, balance_of
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.compile.priorities import Group, Member, by_locality, only_mutual, placed
from flotilla_pilot.compile.sources import ads
from flotilla_pilot.compile.traffic_policy import (
    CLIENT_PROTOCOL,
    FORWARDING,
    PortPolicy,
    apply_policy,
    port_policy,
    speaks_http2,
    with_client_protocol,
)
from flotilla_pilot.model.destination_rules import DestinationPolicy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import ANYWHERE, TOPOLOGY, Place, label_of
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.services import TLS_DISABLED, TLS_ISTIO, Endpoint, Resolution, Service, ServicePort
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings
from flotilla_shared.model.protocols import Protocol
from flotilla_shared.model.spiffe import in_trust_domains, spiffe_id

OWN_SOURCE = "127.0.0.6"
"""The address that a proxy calls its own application from (pilot.md 2.6)."""

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
    """Every endpoint of a headless service takes the mesh's TLS, whichever of them a caller dials."""
    stated: tuple[Reference, ...] = ()
    """What says so."""
    passed_through: bool = False
    """Connections come with the caller's own TLS, which a gateway leaves as it is."""
    place: Place = ANYWHERE
    """Where it is called from, as far as that makes a difference."""
    balance: Balance | None = field(init=False)

    def __post_init__(self) -> None:
        """Fix how calls are spread over localities."""
        asked = port_policy(self.policy.policy, self.policy.subset(self.subset), self.port.number)
        object.__setattr__(self, "balance", balance_of(self.mesh, asked, self.service.traffic_distribution))

    @property
    def name(self) -> str:
        if self.passed_through:
            return names.outbound_sni(self.port.number, self.subset, self.service.host)
        return names.outbound_cluster(self.port.number, self.subset, self.service.host)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service's endpoints that the place can reach, or of them those with all labels of the subset."""
        found = self.service.callable
        if self.service.node_local:
            found = tuple(each for each in found if each.node == self.place.node)
        subset = self.policy.subset(self.subset) if self.subset else None
        return found if subset is None else tuple(each for each in found if self._has(each, subset.labels))

    def _has(self, endpoint: Endpoint, labels: Mapping[str, str]) -> bool:
        if TOPOLOGY.isdisjoint(labels):
            return labels.items() <= endpoint.labels.items()
        return all(label_of(endpoint, name, self.mesh.cluster_id) == value for name, value in labels.items())

    @property
    def is_placed(self) -> bool:
        """Whether callers at different places are told of different endpoints, or in a different order."""
        told = self.has_assignment or self.service.resolution not in _DYNAMIC
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
        return [only_mutual(each) for each in groups] if self.passed_through else groups

    def in_order(self, groups: list[Group]) -> list[Group]:
        """The groups with the priorities and weights that they have from the place."""
        if self.balance is None:
            return groups
        return placed(groups, self.balance, self.place, self.mesh.cluster_id)

    def seen(self) -> object:
        """What of the place the endpoints' order and weights depend on."""
        return None if self.balance is None else (self.balance, self.balance.seen_from(self.place))

    def identities(self) -> tuple[str, ...]:
        """Who may answer: the accounts of all that serve it in any trust domain of the mesh, and the names it states."""
        domains = self.mesh.trust_domains
        found = {spiffe_id(domain, *each) for domain in domains for each in self.service.accounts}
        return tuple(sorted(found.union(in_trust_domains(self.service.subject_alt_names, domains[1:]))))

    @property
    def has_assignment(self) -> bool:
        """Whether Pilot tells the endpoints. A headless service's, where nobody has dialled one of them already."""
        return self.service.resolution is Resolution.STATIC or (self.service.headless and self.binds)

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
            self.dialled_mutual,
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
        inside = not self.has_assignment and self.service.resolution not in _DYNAMIC
        if not inside:
            return ()
        return self.seen(), *((each, each.references) for each in self.endpoints())


def outbound(given: OutboundCluster) -> Any:
    """The Envoy cluster of `given`."""
    policy = port_policy(given.policy.policy, given.policy.subset(given.subset), given.port.number)
    cluster = Cluster(name=given.name, connect_timeout=given.mesh.connect_timeout, metadata=_metadata(given))
    _resolve(cluster, given)
    if given.sniffed:
        policy = with_client_protocol(policy)
    http2 = speaks_http2(given.port.protocol, policy.connection_pool, given.mesh.h2_upgrade)
    apply_policy(cluster, policy, http2=http2)
    _balance(cluster, given)
    _secure(cluster, given, policy, http2)
    return cluster


def _balance(cluster: Any, given: OutboundCluster) -> None:
    """Unhealthy endpoints are told of only to be counted: never may all be called because most are unhealthy."""
    if given.service.traffic_distribution:
        cluster.common_lb_config.healthy_panic_threshold.value = 0
    if given.balance is not None and given.balance.weighted and cluster.lb_policy != Cluster.CLUSTER_PROVIDED:
        cluster.common_lb_config.locality_weighted_lb_config.SetInParent()


def _resolve(cluster: Any, given: OutboundCluster) -> None:
    """How the cluster comes to its endpoints (pilot.md 2.4)."""
    resolution = given.service.resolution
    if given.has_assignment:
        cluster.type = Cluster.EDS
        cluster.eds_cluster_config.service_name = given.name
        cluster.eds_cluster_config.eds_config.CopyFrom(ads())
    elif resolution in _DYNAMIC and _forwards(given):
        _forward(cluster)
    elif resolution is Resolution.NONE:
        cluster.type = Cluster.ORIGINAL_DST
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        if 0 < given.port.target_port < 1 << 16:
            cluster.original_dst_lb_config.upstream_port_override.value = given.port.target_port
    else:
        _resolve_by_name(cluster, given)


def _forwards(given: OutboundCluster) -> bool:
    """A bound listener has no original destination, so a request's own host name must say where to."""
    return given.port.protocol.is_http and (given.binds or given.service.resolution is Resolution.DYNAMIC_DNS)


def _resolve_by_name(cluster: Any, given: OutboundCluster) -> None:
    endpoints = given.endpoints()
    single = given.service.resolution is Resolution.DNS_ROUND_ROBIN and len(endpoints) == 1
    names_resolved = DnsCluster(
        dns_refresh_rate=Duration(seconds=60),
        respect_dns_ttl=True,
        dns_lookup_family=DnsLookupFamily.V4_ONLY,
        all_addresses_in_single_endpoint=single,
    )
    cluster.cluster_type.name = "envoy.clusters.dns"
    cluster.cluster_type.typed_config.CopyFrom(pack(names_resolved))
    reached = (each for each in endpoints if has_port(each, given.port))
    inside = [(each, each.tls_mode == TLS_ISTIO and not given.service.external) for each in reached]
    groups = given.in_order(given.by_locality(inside))
    cluster.load_assignment.CopyFrom(load_assignment(given.name, groups, given.port, given.mesh))


def _secure(cluster: Any, given: OutboundCluster, policy: PortPolicy, http2: bool) -> None:
    """Mutual TLS of the mesh where an endpoint takes it, or what the rule orders (pilot.md 2.7)."""
    if given.passed_through:
        return
    if policy.tls is not None:
        socket = _ordered(given, policy.tls, http2)
        if socket is not None:
            cluster.transport_socket.CopyFrom(socket)
    elif not given.mesh.auto_mtls or given.service.external:
        return
    elif given.dialled_mutual:
        cluster.transport_socket.CopyFrom(_mesh_socket(given, "", (), http2))
    elif cluster.type != Cluster.ORIGINAL_DST:
        cluster.transport_socket_matches.add(
            name="tlsMode-istio",
            match=_struct({"tlsMode": TLS_ISTIO}),
            transport_socket=_mesh_socket(given, "", (), http2),
        )
        cluster.transport_socket_matches.add(
            name=f"tlsMode-{TLS_DISABLED}", match=Struct(), transport_socket=tls.raw_buffer()
        )


def _ordered(given: OutboundCluster, settings: ClientTLSSettings, http2: bool) -> Any:
    if settings.mode == ClientTLSSettings.DISABLE:
        return None
    if settings.mode == ClientTLSSettings.ISTIO_MUTUAL:
        return _mesh_socket(given, settings.sni, tuple(settings.subject_alt_names), http2)
    alpn = ("h2",) if http2 else ("http/1.1",) if given.port.protocol.is_http else ()
    return tls.outside_client(settings, given.service.host, alpn)


def _mesh_socket(given: OutboundCluster, sni: str, identities: Sequence[str], http2: bool) -> Any:
    port = given.port
    alpn: tuple[str, ...] = tls.CLIENT_ALPN_TCP
    if given.sniffed:
        alpn = tls.CLIENT_ALPN_SNIFFED
    elif port.protocol.is_http:
        alpn = tls.CLIENT_ALPN_HTTP2 if http2 else tls.CLIENT_ALPN_HTTP1
    return tls.mesh_client(
        sni or names.outbound_sni(port.number, given.subset, given.service.host),
        identities or given.identities(),
        given.mesh.trust_domains,
        alpn,
    )


def _metadata(given: OutboundCluster) -> Metadata:
    service = {"host": given.service.host, "name": given.service.host.split(".")[0]}
    fields: dict[str, Any] = {"services": [{**service, "namespace": given.service.namespace}]}
    if given.policy.references:
        key = given.policy.references[0][0]
        fields["config"] = names.config_path(key.namespace, "destination-rule", key.name)
    if given.subset:
        fields["subset"] = given.subset
    metadata = Metadata(filter_metadata={"istio": _struct(fields)})
    mixer.add_static(metadata, mixer.attributes_of(given.service.host, given.service.namespace, given.mesh))
    return metadata


def inbound(port: int, address: str, target_port: int, mesh: MeshOptions, *, http2: bool) -> Any:
    """The application itself, at `address` (an IP, or `unix://` and a path)."""
    name = names.inbound_cluster(port)
    cluster = Cluster(name=name, type=Cluster.STATIC, connect_timeout=mesh.connect_timeout)
    cluster.load_assignment.cluster_name = name
    endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.CopyFrom(socket_address(address, target_port))
    if not address.startswith("unix://") and ":" not in address and address != "127.0.0.1":
        source = SocketAddress(address=OWN_SOURCE, port_value=0)
        cluster.upstream_bind_config.CopyFrom(BindConfig(source_address=source))
    apply_policy(cluster, PortPolicy(), http2=http2)
    return cluster


def own_port(port: int, protocol: Protocol, mesh: MeshOptions) -> Any:
    """The application behind an intercepted port: where the caller meant to go, dialled from the proxy's own source."""
    cluster = _to_where_it_was_meant(names.inbound_cluster(port), mesh, from_own_source=True)
    follows = not (protocol.is_http or protocol.is_tcp)
    apply_policy(cluster, CLIENT_PROTOCOL if follows else PortPolicy(), http2=protocol.is_http2)
    return cluster


def inbound_passthrough(mesh: MeshOptions) -> Any:
    """Ports of the workload of which no service knows."""
    cluster = _to_where_it_was_meant(names.INBOUND_PASSTHROUGH, mesh, from_own_source=True)
    apply_policy(cluster, CLIENT_PROTOCOL, http2=False)
    return cluster


def _to_where_it_was_meant(name: str, mesh: MeshOptions, *, from_own_source: bool) -> Any:
    cluster = Cluster(name=name, type=Cluster.ORIGINAL_DST, lb_policy=Cluster.CLUSTER_PROVIDED)
    cluster.connect_timeout.CopyFrom(mesh.connect_timeout)
    if from_own_source:
        source = SocketAddress(address=OWN_SOURCE, port_value=0)
        cluster.upstream_bind_config.CopyFrom(BindConfig(source_address=source))
    return cluster


def black_hole(mesh: MeshOptions) -> Any:
    """A cluster that nobody is behind: what leads to it is answered 503."""
    return Cluster(name=names.BLACK_HOLE, type=Cluster.STATIC, connect_timeout=mesh.connect_timeout)


def passthrough(mesh: MeshOptions) -> Any:
    """Where the caller wanted to go in the first place; only intercepted connections know that."""
    cluster = _to_where_it_was_meant(names.PASSTHROUGH, mesh, from_own_source=False)
    apply_policy(cluster, CLIENT_PROTOCOL, http2=False)
    return cluster


def forward_proxy(mesh: MeshOptions) -> Any:
    """Wherever the request's host name leads, resolved when it is asked for."""
    cluster = Cluster(name=names.FORWARD_PROXY, connect_timeout=mesh.connect_timeout)
    _forward(cluster)
    apply_policy(cluster, PortPolicy(), http2=False)
    return cluster


def resolved_names(mesh: MeshOptions) -> Any:
    """The same for intercepted callers, in the protocol that they speak."""
    cluster = Cluster(name=names.ALLOW_ANY_NAMES_CLUSTER, connect_timeout=mesh.connect_timeout)
    _forward(cluster)
    apply_policy(cluster, with_client_protocol(PortPolicy()), http2=False)
    return cluster


def dns_cache() -> DnsCacheConfig:
    """One cache by name: the cluster's and the filter's must be equal."""
    return DnsCacheConfig(name=names.FORWARD_PROXY, dns_lookup_family=Cluster.V4_ONLY)


def _forward(cluster: Any) -> None:
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    cluster.cluster_type.name = FORWARDING
    cluster.cluster_type.typed_config.CopyFrom(pack(ClusterConfig(dns_cache_config=dns_cache())))


def _struct(fields: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct


def every_cluster(
    services: Iterable[Service], policies: Any, mesh: MeshOptions, binds: bool
) -> Iterable[OutboundCluster]:
    """Each port (but UDP ones) of each service, whole and by subset."""
    for service in services:
        policy = policies(service)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            for subset in ("", *(each.name for each in policy.subsets)):
                yield OutboundCluster(service, port, subset, policy, mesh, binds)
