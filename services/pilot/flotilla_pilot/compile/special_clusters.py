"""Clusters that no service stands behind: the black hole, and those that go where the caller says."""

from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile import names, tls
from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.forwarding import forward
from flotilla_pilot.compile.http_options import Speech, apply_http
from flotilla_pilot.compile.own_source import bind_to_own_source
from flotilla_pilot.compile.stat_names import ended
from flotilla_pilot.compile.traffic_policy import NOTHING_SAID, PortPolicy
from flotilla_pilot.model.caller import Families
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings

IDLE = Duration(seconds=300)
"""Nobody counts the connections to where callers meant to go: they are closed early."""


def black_hole(mesh: MeshOptions) -> Any:
    """A cluster that nobody is behind: what leads to it is answered 503."""
    return Cluster(
        name=names.BLACK_HOLE,
        alt_stat_name=ended(names.BLACK_HOLE),
        type=Cluster.STATIC,
        connect_timeout=mesh.connect_timeout,
    )


def passthrough(mesh: MeshOptions) -> Any:
    """Where the caller wanted to go in the first place; only intercepted connections know that."""
    cluster = Cluster(name=names.PASSTHROUGH, alt_stat_name=ended(names.PASSTHROUGH), type=Cluster.ORIGINAL_DST)
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    cluster.connect_timeout.CopyFrom(mesh.connect_timeout)
    apply_limits(cluster, mesh.clusters.connection_pool, None, mesh.clusters)
    apply_http(cluster, NOTHING_SAID, Speech(follows=True), IDLE)
    return cluster


def inbound_passthrough(mesh: MeshOptions, families: Families) -> Any:
    """Ports of the workload of which no service knows. It is counted together with the way out."""
    cluster = passthrough(mesh)
    cluster.name = names.INBOUND_PASSTHROUGH
    bind_to_own_source(cluster, families, both=True)
    return cluster


def forward_proxy(mesh: MeshOptions) -> Any:
    """Wherever the request's host name leads, resolved when it is asked for."""
    return _by_name(names.FORWARD_PROXY, mesh, follows=False)


def resolved_names(mesh: MeshOptions) -> Any:
    """The same for intercepted callers, in the protocol that they speak, and by TLS if the mesh says so."""
    cluster = _by_name(names.ALLOW_ANY_NAMES_CLUSTER, mesh, follows=True)
    settings = mesh.clusters.forwarding_tls
    if settings is None or settings.mode == ClientTLSSettings.DISABLE:
        return cluster
    if settings.mode == ClientTLSSettings.ISTIO_MUTUAL:
        socket = tls.mesh_client(settings.sni, settings.subject_alt_names, tls.CLIENT_ALPN_SNIFFED)
    else:
        socket = tls.outside_client(settings, settings.subject_alt_names, mesh.clusters, ())
    cluster.transport_socket.CopyFrom(socket)
    skips = settings.insecure_skip_verify.value
    forward(cluster, mesh.proxy.families, mesh, insecure=skips)
    apply_http(cluster, NOTHING_SAID, Speech(follows=True, names_server=True, checks_name=not skips))
    return cluster


def _by_name(name: str, mesh: MeshOptions, *, follows: bool) -> Any:
    cluster = Cluster(name=name, alt_stat_name=ended(name), connect_timeout=mesh.connect_timeout)
    forward(cluster, mesh.proxy.families, mesh)
    policy = PortPolicy(connection_pool=mesh.clusters.connection_pool)
    apply_limits(cluster, policy.connection_pool, None, mesh.clusters)
    if follows:
        apply_http(cluster, policy, Speech(follows=True))
    return cluster
