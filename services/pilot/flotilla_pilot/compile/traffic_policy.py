"""The traffic policy of one port and subset, and how it is written into a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection as EnvoyOutlierDetection
from envoy.config.core.v3.address_pb2 import TcpKeepalive
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.packing import pack
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    LoadBalancerSettings,
    OutlierDetection,
    Subset,
    TrafficPolicy,
)
from flotilla_shared.model.protocols import Protocol

UNLIMITED = 2**32 - 1
MAX_RING_SIZE = 8388608
MAX_TABLE_SIZE = 5000011
FORWARDING = "envoy.clusters.dynamic_forward_proxy"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_LB = LoadBalancerSettings
_POLICIES = {
    _LB.ROUND_ROBIN: Cluster.ROUND_ROBIN,
    _LB.RANDOM: Cluster.RANDOM,
    _LB.LEAST_CONN: Cluster.LEAST_REQUEST,
    _LB.LEAST_REQUEST: Cluster.LEAST_REQUEST,
    _LB.UNSPECIFIED: Cluster.LEAST_REQUEST,
}


@dataclass(frozen=True, slots=True, eq=False)
class PortPolicy:
    """What applies to one port of a service, or of a subset of it; None where nothing is said."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


CLIENT_PROTOCOL = PortPolicy(
    connection_pool=ConnectionPoolSettings(http=ConnectionPoolSettings.HTTPSettings(use_client_protocol=True))
)
"""Requests go on in the protocol in which they came."""


def with_client_protocol(policy: PortPolicy) -> PortPolicy:
    """`policy`, but requests go on in the protocol in which they came."""
    pool = ConnectionPoolSettings()
    if policy.connection_pool is not None:
        pool.CopyFrom(policy.connection_pool)
    pool.http.use_client_protocol = True
    return replace(policy, connection_pool=pool)


def port_policy(policy: TrafficPolicy | None, subset: Subset | None, port: int) -> PortPolicy:
    """Port settings replace a policy's as a whole; a subset's override field by field (pilot.md 2.7)."""
    base = _for_port(policy, port)
    overriding = subset.traffic_policy if subset is not None else None
    own = _for_port(overriding, port)
    if overriding is not None and any(each.port.number == port for each in overriding.port_level_settings):
        return own
    stated = {name: getattr(own, name) for name in PortPolicy.__slots__ if getattr(own, name) is not None}
    return replace(base, **stated)


def _for_port(policy: TrafficPolicy | None, port: int) -> PortPolicy:
    if policy is None:
        return PortPolicy()
    source: Any = next((each for each in policy.port_level_settings if each.port.number == port), policy)
    return PortPolicy(**{name: _stated(source, name) for name in PortPolicy.__slots__})


def _stated(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def apply_policy(cluster: Any, policy: PortPolicy, *, http2: bool) -> None:
    """Write load balancing, limits and outlier detection into `cluster`, whose type is already set."""
    _apply_load_balancer(cluster, policy.load_balancer)
    _apply_limits(cluster, policy.connection_pool)
    _apply_outliers(cluster, policy.outlier_detection)
    _apply_http(cluster, policy.connection_pool, http2)


def _apply_load_balancer(cluster: Any, settings: LoadBalancerSettings | None) -> None:
    if cluster.lb_policy == Cluster.CLUSTER_PROVIDED:
        return
    cluster.lb_policy = Cluster.LEAST_REQUEST
    if settings is None:
        return
    if settings.HasField("consistent_hash"):
        _apply_hash(cluster, settings.consistent_hash)
    else:
        cluster.lb_policy = _POLICIES.get(settings.simple, Cluster.LEAST_REQUEST)


def _apply_hash(cluster: Any, settings: LoadBalancerSettings.ConsistentHashLB) -> None:
    if settings.HasField("maglev"):
        cluster.lb_policy = Cluster.MAGLEV
        if is_table_size(settings.maglev.table_size):
            cluster.maglev_lb_config.table_size.value = settings.maglev.table_size
        return
    cluster.lb_policy = Cluster.RING_HASH
    size = settings.ring_hash.minimum_ring_size or settings.minimum_ring_size or 1024
    cluster.ring_hash_lb_config.minimum_ring_size.value = min(size, MAX_RING_SIZE)


def is_table_size(number: int) -> bool:
    """Maglev's table has a prime size; Envoy refuses a cluster for any other."""
    return 1 < number <= MAX_TABLE_SIZE and all(number % each for each in range(2, isqrt(number) + 1))


def _apply_limits(cluster: Any, pool: ConnectionPoolSettings | None) -> None:
    """All four limits are always stated: Envoy's own default of 1024 would throttle."""
    tcp = pool.tcp if pool is not None else ConnectionPoolSettings.TCPSettings()
    http = pool.http if pool is not None else ConnectionPoolSettings.HTTPSettings()
    cluster.circuit_breakers.CopyFrom(
        CircuitBreakers(
            thresholds=[
                CircuitBreakers.Thresholds(
                    max_connections=_limit(tcp.max_connections),
                    max_pending_requests=_limit(http.http1_max_pending_requests),
                    max_requests=_limit(http.http2_max_requests),
                    max_retries=_limit(http.max_retries),
                )
            ]
        )
    )
    if tcp.HasField("connect_timeout"):
        cluster.connect_timeout.CopyFrom(tcp.connect_timeout)
    if tcp.HasField("tcp_keepalive"):
        cluster.upstream_connection_options.tcp_keepalive.CopyFrom(_keepalive(tcp.tcp_keepalive))


def _limit(value: int) -> UInt32Value:
    return UInt32Value(value=value if value > 0 else UNLIMITED)


def _keepalive(settings: ConnectionPoolSettings.TCPSettings.TcpKeepalive) -> TcpKeepalive:
    keepalive = TcpKeepalive()
    if settings.probes:
        keepalive.keepalive_probes.value = settings.probes
    if settings.time.seconds > 0:
        keepalive.keepalive_time.value = settings.time.seconds
    if settings.interval.seconds > 0:
        keepalive.keepalive_interval.value = settings.interval.seconds
    return keepalive


def _apply_outliers(cluster: Any, settings: OutlierDetection | None) -> None:
    """With outlier detection there is no panic threshold unless one is asked for."""
    cluster.common_lb_config.healthy_panic_threshold.SetInParent()
    if settings is None:
        return
    if settings.min_health_percent > 0:
        cluster.common_lb_config.healthy_panic_threshold.value = settings.min_health_percent
    target = EnvoyOutlierDetection()
    for name in ("interval", "base_ejection_time"):
        if settings.HasField(name):
            getattr(target, name).CopyFrom(getattr(settings, name))
    for name, value in _outlier_numbers(settings).items():
        getattr(target, name).value = value
    target.split_external_local_origin_errors = settings.split_external_local_origin_errors
    cluster.outlier_detection.CopyFrom(target)


def _outlier_numbers(settings: OutlierDetection) -> Mapping[str, int]:
    """The numbers that are stated; a count of 0 switches its detector off."""
    numbers: dict[str, int] = {"enforcing_success_rate": 0}
    if settings.max_ejection_percent > 0:
        numbers["max_ejection_percent"] = min(settings.max_ejection_percent, 100)
    gateway = (
        settings.consecutive_gateway_errors.value
        if settings.HasField("consecutive_gateway_errors")
        else max(settings.consecutive_errors, 0)
    )
    if gateway or settings.HasField("consecutive_gateway_errors"):
        numbers |= _detector("gateway_failure", gateway)
    if settings.HasField("consecutive_5xx_errors"):
        numbers |= _detector("5xx", settings.consecutive_5xx_errors.value)
    elif settings.consecutive_errors > 0:
        numbers["enforcing_consecutive_5xx"] = 0
    if settings.split_external_local_origin_errors and settings.HasField("consecutive_local_origin_failures"):
        numbers |= _detector("local_origin_failure", settings.consecutive_local_origin_failures.value)
    return numbers


def _detector(name: str, count: int) -> dict[str, int]:
    return {f"consecutive_{name}": count, f"enforcing_consecutive_{name}": 100 if count else 0}


def _apply_http(cluster: Any, pool: ConnectionPoolSettings | None, http2: bool) -> None:
    http = pool.http if pool is not None else ConnectionPoolSettings.HTTPSettings()
    has_limits = http.max_requests_per_connection > 0 or http.HasField("idle_timeout")
    if not (http2 or has_limits or http.use_client_protocol):
        return
    options = HttpProtocolOptions()
    if http.max_requests_per_connection > 0:
        limit = UInt32Value(value=http.max_requests_per_connection)
        options.common_http_protocol_options.max_requests_per_connection.CopyFrom(limit)
    if http.HasField("idle_timeout"):
        options.common_http_protocol_options.idle_timeout.CopyFrom(http.idle_timeout)
    if cluster.cluster_type.name == FORWARDING:
        # Envoy refuses such a cluster with options that do not bind its TLS to the name asked for.
        options.upstream_http_protocol_options.auto_sni = True
        options.upstream_http_protocol_options.auto_san_validation = True
    _state_protocol(options, http, http2)
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))


def speaks_http2(protocol: Protocol, pool: ConnectionPoolSettings | None, mesh_upgrades: bool) -> bool:
    """Whether a cluster for a port of `protocol` is HTTP/2: by its protocol, or upgraded by rule or mesh."""
    if protocol.is_http2 or not protocol.is_http:
        return protocol.is_http2
    asked = pool.http.h2_upgrade_policy if pool is not None else ConnectionPoolSettings.HTTPSettings.DEFAULT
    if asked == ConnectionPoolSettings.HTTPSettings.DEFAULT:
        return mesh_upgrades
    return asked == ConnectionPoolSettings.HTTPSettings.UPGRADE


def _state_protocol(options: Any, http: ConnectionPoolSettings.HTTPSettings, http2: bool) -> None:
    if http.use_client_protocol:
        options.use_downstream_protocol_config.http_protocol_options.CopyFrom(Http1ProtocolOptions())
        options.use_downstream_protocol_config.http2_protocol_options.CopyFrom(Http2ProtocolOptions())
    elif http2:
        h2 = options.explicit_http_config.http2_protocol_options
        h2.SetInParent()
        if http.max_concurrent_streams > 0:
            h2.max_concurrent_streams.value = http.max_concurrent_streams
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()
