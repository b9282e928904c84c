"""Clusters that resolve the name which each request or handshake asks for."""

from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig

from flotilla_pilot.compile import names
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.model.caller import Families
from flotilla_pilot.model.mesh import MeshOptions

FORWARDING = "envoy.clusters.dynamic_forward_proxy"


_V4 = names.FORWARD_PROXY, Cluster.V4_ONLY
_V6 = f"{names.FORWARD_PROXY}_v6", Cluster.V6_ONLY
_BOTH = f"{names.FORWARD_PROXY}_both", Cluster.ALL


def dns_cache(families: Families, mesh: MeshOptions) -> DnsCacheConfig:
    """One cache for each proxy, which clusters and filters know by its name.

    Envoy refuses a cache that differs from a living one of its name, so that one for other families has another.
    """
    single = _V6 if families is Families.V6 else _V4
    name, family = _BOTH if families is Families.BOTH and mesh.dual_stack else single
    return DnsCacheConfig(name=name, dns_lookup_family=family)


def forward(cluster: Any, families: Families, mesh: MeshOptions, *, insecure: bool = False) -> None:
    """Envoy refuses such a cluster when it looks at no certificates, unless told that this is meant (`insecure`)."""
    config = ClusterConfig(dns_cache_config=dns_cache(families, mesh), allow_insecure_cluster_options=insecure)
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    cluster.cluster_type.name = FORWARDING
    cluster.cluster_type.typed_config.CopyFrom(pack(config))
