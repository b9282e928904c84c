"""The application behind a way into a workload, as a cluster of its proxy."""

from dataclasses import dataclass, field
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile import names
from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.http_options import Speech, apply_http
from flotilla_pilot.compile.own_source import bind_to_own_source
from flotilla_pilot.compile.stat_names import ended, stat_name
from flotilla_pilot.compile.traffic_policy import NOTHING_SAID, PortPolicy
from flotilla_pilot.model.caller import Families
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_shared.model.protocols import Protocol

LOOPBACK = frozenset(("127.0.0.1", "::1"))
_FOR_EVER = Duration(seconds=9223372035)
"""As long as Envoy can count: the endpoint of an application is not forgotten for want of calls."""


@dataclass(frozen=True, slots=True, eq=False)
class InboundCluster:
    """All that the cluster of an inbound port is made from.

    `address` is an IP, or `unix://` and a path; empty is where the caller meant to go, which only intercepted
    connections know.
    """

    port: int
    protocol: Protocol
    mesh: MeshOptions
    address: str = ""
    target_port: int = 0
    families: Families = Families.V4
    policy: PortPolicy = NOTHING_SAID
    """Of which limits count, and nothing else."""
    served: tuple[Service, ServicePort] | None = None
    references: tuple[Reference, ...] = field(default=())
    """What the policy was found in."""

    @property
    def name(self) -> str:
        return names.inbound_cluster(self.port)

    def key(self) -> tuple[object, ...]:
        """Equal keys give equal clusters, for one Sidecar and mesh configuration."""
        place = self.port, self.protocol, self.address, self.target_port, self.families
        return *place, _stat_name(self), self.references


def inbound(given: InboundCluster) -> Any:
    """The Envoy cluster of `given`."""
    mesh = given.mesh
    cluster = Cluster(name=given.name, alt_stat_name=_stat_name(given), connect_timeout=mesh.connect_timeout)
    cluster.common_lb_config.SetInParent()
    _resolve(cluster, given)
    pool = given.policy.connection_pool or mesh.clusters.connection_pool
    apply_limits(cluster, pool, given.policy.retry_budget, mesh.clusters)
    follows = not (given.protocol.is_http or given.protocol.is_tcp)
    follows_asked = pool is not None and pool.http.use_client_protocol
    http2 = given.protocol.is_http2 and not follows_asked
    apply_http(cluster, PortPolicy(connection_pool=pool), Speech(http2, follows=follows))
    # Of a socket of the file system Envoy takes no notice of it.
    if given.address not in LOOPBACK:
        families = Families.V6 if is_ip(given.address) and ":" in given.address else given.families
        bind_to_own_source(cluster, families, both=mesh.dual_stack)
    return cluster


def _stat_name(given: InboundCluster) -> str:
    pattern = given.mesh.clusters.inbound_stat_name
    if not pattern or given.served is None:
        return ended(given.name)
    return ended(stat_name(pattern, *given.served, target_port=given.port))


def _resolve(cluster: Any, given: InboundCluster) -> None:
    if not given.address:
        cluster.type = Cluster.ORIGINAL_DST
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        cluster.cleanup_interval.CopyFrom(_FOR_EVER)
        return
    cluster.type = Cluster.STATIC
    cluster.load_assignment.cluster_name = given.name
    endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.CopyFrom(socket_address(given.address, given.target_port))
