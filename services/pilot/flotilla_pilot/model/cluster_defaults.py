"""What the mesh configuration says of every cluster, where no rule says otherwise."""

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    OutlierDetection,
)

TcpKeepalive = ConnectionPoolSettings.TCPSettings.TcpKeepalive


@dataclass(frozen=True, slots=True, eq=False)
class ClusterDefaults:
    """None, or nothing, where the mesh leaves a thing to Envoy."""

    tcp_keepalive: TcpKeepalive | None
    connection_pool: ConnectionPoolSettings | None
    outlier_detection: OutlierDetection | None
    dns_refresh: Duration | None
    inbound_stat_name: str
    outbound_stat_name: str
    """Patterns of the names by which clusters are counted; empty for Istio's own."""
    dials_loopback: bool
    """Applications behind intercepted ports are dialled at loopback, not where the caller meant to go."""
    curves: tuple[str, ...]
    cipher_suites: tuple[str, ...]
    """Of TLS to the outside."""
    forwarding_tls: ClientTLSSettings | None
    """TLS to hosts that nobody declared, where these are resolved by name."""


def cluster_defaults(config: MeshConfig) -> ClusterDefaults:
    policy, outside = config.default_traffic_policy, config.outbound_traffic_policy
    loopback = config.inbound_traffic_policy.mode == MeshConfig.InboundTrafficPolicy.LOCALHOST
    return ClusterDefaults(
        tcp_keepalive=config.tcp_keepalive if config.HasField("tcp_keepalive") else None,
        connection_pool=policy.connection_pool if policy.HasField("connection_pool") else None,
        outlier_detection=policy.outlier_detection if policy.HasField("outlier_detection") else None,
        dns_refresh=_dns_refresh(config),
        inbound_stat_name=config.inbound_cluster_stat_name,
        outbound_stat_name=config.outbound_cluster_stat_name,
        dials_loopback=loopback,
        curves=tuple(config.tls_defaults.ecdh_curves),
        cipher_suites=tuple(config.tls_defaults.cipher_suites),
        forwarding_tls=outside.tls if outside.HasField("tls") else None,
    )


def _dns_refresh(config: MeshConfig) -> Duration | None:
    """A minute unless something is stated; Envoy takes nothing below a millisecond, so that is its own default."""
    if not config.HasField("dns_refresh_rate"):
        return Duration(seconds=60)
    stated = config.dns_refresh_rate
    return stated if stated.ToNanoseconds() > 1_000_000 else None
