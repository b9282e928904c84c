"""How a cluster chooses among its endpoints."""

from math import isqrt
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import LoadBalancerSettings, WarmupConfiguration

MAX_RING_SIZE = 8388608
MAX_TABLE_SIZE = 5000011
RING_SIZE = 1024

_LB = LoadBalancerSettings
_POLICIES = {_LB.ROUND_ROBIN: Cluster.ROUND_ROBIN, _LB.RANDOM: Cluster.RANDOM}
_CONFIGURATIONS = {Cluster.ROUND_ROBIN: "round_robin_lb_config", Cluster.LEAST_REQUEST: "least_request_lb_config"}

_RUNTIME_KEY = "("
"""Envoy asks for a key by which its runtime may override the number; nobody sets one of this name."""


def apply_load_balancer(cluster: Any, settings: LoadBalancerSettings | None) -> None:
    """Write the choice into `cluster`, whose type is already set."""
    if cluster.lb_policy == Cluster.CLUSTER_PROVIDED:
        return
    cluster.lb_policy = Cluster.LEAST_REQUEST
    if settings is None:
        return
    if settings.HasField("consistent_hash"):
        _apply_hash(cluster, settings.consistent_hash)
        return
    cluster.lb_policy = _POLICIES.get(settings.simple, Cluster.LEAST_REQUEST)
    _warm_up(cluster, settings)


def _apply_hash(cluster: Any, settings: LoadBalancerSettings.ConsistentHashLB) -> None:
    if settings.HasField("maglev"):
        cluster.lb_policy = Cluster.MAGLEV
        if is_table_size(settings.maglev.table_size):
            cluster.maglev_lb_config.table_size.value = settings.maglev.table_size
        return
    cluster.lb_policy = Cluster.RING_HASH
    stated = settings.HasField("ring_hash")
    size = settings.ring_hash.minimum_ring_size if stated else settings.minimum_ring_size or RING_SIZE
    if size:
        cluster.ring_hash_lb_config.minimum_ring_size.value = min(size, MAX_RING_SIZE)


def is_table_size(number: int) -> bool:
    """Maglev's table has a prime size; Envoy refuses a cluster for any other."""
    return 1 < number <= MAX_TABLE_SIZE and all(number % each for each in range(2, isqrt(number) + 1))


def _warm_up(cluster: Any, settings: LoadBalancerSettings) -> None:
    """New endpoints get their share step by step, where the choice has such steps."""
    name = _CONFIGURATIONS.get(cluster.lb_policy)
    if name is None:
        return
    if settings.HasField("warmup"):
        getattr(cluster, name).slow_start_config.CopyFrom(_slow_start(settings.warmup))
    elif settings.HasField("warmup_duration_secs"):
        getattr(cluster, name).slow_start_config.slow_start_window.CopyFrom(settings.warmup_duration_secs)


def _slow_start(warmup: WarmupConfiguration) -> Cluster.SlowStartConfig:
    """A straight line from a tenth of the share, unless the rule says otherwise."""
    found = Cluster.SlowStartConfig()
    if warmup.HasField("duration"):
        found.slow_start_window.CopyFrom(warmup.duration)
    found.aggression.default_value = warmup.aggression.value if warmup.HasField("aggression") else 1
    found.aggression.runtime_key = _RUNTIME_KEY
    found.min_weight_percent.value = warmup.minimum_percent.value if warmup.HasField("minimum_percent") else 10
    return found
