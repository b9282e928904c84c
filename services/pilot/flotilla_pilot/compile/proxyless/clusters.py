"""Clusters as gRPC's libraries read them (pilot.md 4)."""

from typing import Any

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile import names, tls
from flotilla_pilot.compile.endpoints import has_port, load_assignment
from flotilla_pilot.compile.load_balancing import MAX_RING_SIZE
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.compile.priorities import by_locality
from flotilla_pilot.compile.proxyless.security import certificates
from flotilla_pilot.compile.sources import ads
from flotilla_pilot.compile.traffic_policy import port_policy
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings

_RING = 1024


def cluster(given: OutboundCluster) -> Any:
    """The cluster of `given`; None where nobody is behind it: they refuse a cluster by name without a name.

    Round robin unless a hash is asked for: what else there is, not all of gRPC's libraries know, and one that does
    not refuses the cluster. Mutual TLS only by a rule's order, for they cannot choose endpoint by endpoint.
    """
    policy = port_policy(given.policy.policy, given.policy.subset(given.subset), given.port.number)
    made = Cluster(name=given.name, lb_policy=Cluster.ROUND_ROBIN)
    if not _resolve(made, given):
        return None
    if policy.load_balancer is not None and policy.load_balancer.HasField("consistent_hash"):
        stated = policy.load_balancer.consistent_hash
        made.lb_policy = Cluster.RING_HASH
        size = stated.ring_hash.minimum_ring_size or stated.minimum_ring_size or _RING
        made.ring_hash_lb_config.minimum_ring_size.value = min(size, MAX_RING_SIZE)
    pool = policy.connection_pool
    if pool is not None and pool.http.http2_max_requests > 0:
        limit = UInt32Value(value=pool.http.http2_max_requests)
        made.circuit_breakers.CopyFrom(CircuitBreakers(thresholds=[CircuitBreakers.Thresholds(max_requests=limit)]))
    if policy.tls is not None and policy.tls.mode == ClientTLSSettings.ISTIO_MUTUAL:
        _secure(made, given, policy.tls)
    return made


def _resolve(made: Any, given: OutboundCluster) -> bool:
    """Whether there is a way. Of several names gRPC takes the first: a cluster by name has one."""
    if given.has_assignment:
        made.type = Cluster.EDS
        made.eds_cluster_config.service_name = given.name
        made.eds_cluster_config.eds_config.CopyFrom(ads())
        return True
    reached = [each for each in given.endpoints() if has_port(each, given.port)]
    made.type = Cluster.LOGICAL_DNS
    first = by_locality([(each, False) for each in reached[:1]])
    made.load_assignment.CopyFrom(load_assignment(given.name, first, given.port, given.mesh))
    return bool(reached)


def _secure(made: Any, given: OutboundCluster, settings: ClientTLSSettings) -> None:
    context = UpstreamTlsContext(
        sni=settings.sni or names.outbound_sni(given.port.number, given.subset, given.service.host),
        common_tls_context=certificates(tuple(settings.subject_alt_names) or given.identities()),
    )
    made.transport_socket.CopyFrom(typed(type(made.transport_socket), tls.TLS_SOCKET, context))
