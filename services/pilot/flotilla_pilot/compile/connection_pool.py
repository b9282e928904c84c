"""Limits of a cluster's connections, and how they are kept alive."""

from typing import Any

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.core.v3.address_pb2 import TcpKeepalive as EnvoyKeepalive
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.model.cluster_defaults import ClusterDefaults, TcpKeepalive
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ConnectionPoolSettings, TrafficPolicy

UNLIMITED = 2**32 - 1
_BUDGET_PERCENT = 20
_BUDGET_LEAST = 3
_NO_POOL = ConnectionPoolSettings()


def apply_limits(
    cluster: Any,
    pool: ConnectionPoolSettings | None,
    budget: TrafficPolicy.RetryBudget | None,
    defaults: ClusterDefaults,
) -> None:
    """Write the limits of `pool` into `cluster`."""
    if pool is None and budget is None:
        cluster.circuit_breakers.CopyFrom(_WITHOUT_LIMITS)
    else:
        cluster.circuit_breakers.CopyFrom(CircuitBreakers(thresholds=[_thresholds(pool or _NO_POOL, budget)]))
    stated = pool or _NO_POOL
    if stated.tcp.HasField("connect_timeout"):
        cluster.connect_timeout.CopyFrom(stated.tcp.connect_timeout)
    own = stated.tcp.tcp_keepalive if stated.tcp.HasField("tcp_keepalive") else None
    for each in (defaults.tcp_keepalive, own):
        if each is not None:
            _keep_alive(cluster.upstream_connection_options.tcp_keepalive, each)


def _thresholds(pool: ConnectionPoolSettings, budget: TrafficPolicy.RetryBudget | None) -> CircuitBreakers.Thresholds:
    """All four limits are always stated: Envoy's own default of 1024 would throttle."""
    found = CircuitBreakers.Thresholds(
        max_connections=_limit(pool.tcp.max_connections),
        max_pending_requests=_limit(pool.http.http1_max_pending_requests),
        max_requests=_limit(pool.http.http2_max_requests),
        max_retries=_limit(pool.http.max_retries),
    )
    if budget is not None:
        found.retry_budget.budget_percent.value = (
            budget.percent.value if budget.HasField("percent") else _BUDGET_PERCENT
        )
        found.retry_budget.min_retry_concurrency.value = budget.min_retry_concurrency or _BUDGET_LEAST
    return found


def _limit(value: int) -> UInt32Value:
    return UInt32Value(value=value if value > 0 else UNLIMITED)


_WITHOUT_LIMITS = CircuitBreakers(thresholds=[_thresholds(_NO_POOL, None)])


def _keep_alive(target: EnvoyKeepalive, settings: TcpKeepalive) -> None:
    """What a rule states overrides the mesh's; keeping alive without numbers is the system's own way."""
    target.SetInParent()
    if settings.probes:
        target.keepalive_probes.value = settings.probes
    if settings.HasField("time"):
        target.keepalive_time.value = max(settings.time.seconds, 0)
    if settings.HasField("interval"):
        target.keepalive_interval.value = max(settings.interval.seconds, 0)
