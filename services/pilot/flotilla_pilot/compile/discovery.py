"""How a cluster comes to its endpoints (pilot.md 2.4)."""

from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver_pb2 import CaresDnsResolverConfig
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.endpoints import load_assignment
from flotilla_pilot.compile.forwarding import forward
from flotilla_pilot.compile.listener_plan import is_port
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.compile.sources import ads
from flotilla_pilot.model.caller import Families
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.services import TLS_ISTIO, Resolution

_RESOLVER = "envoy.network.dns_resolver.cares"
_ASKING = CaresDnsResolverConfig(udp_max_queries=UInt32Value(value=100))
"""After so many queries the resolver takes another source port: answers are not guessed so easily."""
_JITTER = Duration(nanos=100_000_000)
_FAMILIES = {Families.V4: DnsLookupFamily.V4_ONLY, Families.V6: DnsLookupFamily.V6_ONLY}


def lookup_family(families: Families, mesh: MeshOptions) -> Any:
    """In which versions of IP a workload asks for names: those that it has, but both only where the mesh is so."""
    return _FAMILIES.get(families, DnsLookupFamily.ALL if mesh.dual_stack else DnsLookupFamily.V4_ONLY)


def resolve(cluster: Any, given: OutboundCluster) -> None:
    """Write it into `cluster`."""
    if given.has_assignment:
        cluster.type = Cluster.EDS
        cluster.eds_cluster_config.service_name = given.name
        cluster.eds_cluster_config.eds_config.CopyFrom(ads())
    elif given.forwards:
        forward(cluster, given.caller.families, given.mesh, insecure=given.is_unverified)
    elif given.is_dialled:
        _dial(cluster, given)
    else:
        _resolve_names(cluster, given)


def _dial(cluster: Any, given: OutboundCluster) -> None:
    cluster.type = Cluster.ORIGINAL_DST
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    if given.service.resolution is Resolution.NONE and not given.service.headless and is_port(given.port.target_port):
        cluster.original_dst_lb_config.upstream_port_override.value = given.port.target_port


def _resolve_names(cluster: Any, given: OutboundCluster) -> None:
    """Round robin takes the addresses of the one name in turn; what is not one name is resolved as usual."""
    ends = given.reached()
    in_turn = given.service.resolution is Resolution.DNS_ROUND_ROBIN and len(ends) == 1
    names_resolved = DnsCluster(
        dns_refresh_rate=given.mesh.clusters.dns_refresh,
        dns_jitter=_JITTER,
        respect_dns_ttl=True,
        dns_lookup_family=lookup_family(given.caller.families, given.mesh),
        typed_dns_resolver_config=TypedExtensionConfig(name=_RESOLVER, typed_config=pack(_ASKING)),
        all_addresses_in_single_endpoint=in_turn,
    )
    cluster.cluster_type.name = "envoy.clusters.dns"
    cluster.cluster_type.typed_config.CopyFrom(pack(names_resolved))
    inside = [(each, each.tls_mode == TLS_ISTIO and not given.service.external) for each in ends]
    groups = given.in_order(given.by_locality(inside))
    cluster.load_assignment.CopyFrom(load_assignment(given.name, groups, given.port, given.mesh))
