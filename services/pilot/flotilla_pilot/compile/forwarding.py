"""Clusters that resolve the name which each request or handshake asks for."""

from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig

from flotilla_pilot.compile import names
from flotilla_pilot.compile.packing import pack

FORWARDING = "envoy.clusters.dynamic_forward_proxy"


def dns_cache() -> DnsCacheConfig:
    """One cache by name: the cluster's and the filter's must be equal."""
    return DnsCacheConfig(name=names.FORWARD_PROXY, dns_lookup_family=Cluster.V4_ONLY)


def forward(cluster: Any) -> None:
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    cluster.cluster_type.name = FORWARDING
    cluster.cluster_type.typed_config.CopyFrom(pack(ClusterConfig(dns_cache_config=dns_cache())))


def allow_insecure(cluster: Any) -> None:
    """Let it be that certificates are not looked at: Envoy refuses such a cluster unless told so."""
    config = ClusterConfig(dns_cache_config=dns_cache(), allow_insecure_cluster_options=True)
    cluster.cluster_type.typed_config.CopyFrom(pack(config))
