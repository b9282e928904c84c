"""TCP proxies: connections to one cluster, or shared by weight."""

from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy

from flotilla_pilot.compile.access_log import access_logs
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.hashing import connection_hash
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.model.mesh import MeshOptions

TCP_PROXY = "envoy.filters.network.tcp_proxy"


def tcp_proxy(stat_prefix: str, targets: Sequence[tuple[Target, int]], mesh: MeshOptions) -> Filter:
    """The filter for `targets` with their weights; a weight of 0 gets nothing unless it stands alone."""
    proxy = TcpProxy(stat_prefix=stat_prefix, access_log=access_logs(mesh))
    used = [pair for pair in targets if pair[1] > 0] or list(targets[:1])
    if len(used) == 1:
        proxy.cluster = used[0][0].cluster
    else:
        proxy.weighted_clusters.CopyFrom(_weighted(used))
    proxy.hash_policy.extend(connection_hash(used[0][0].hash))
    return typed(Filter, TCP_PROXY, proxy)


def _weighted(used: Iterable[tuple[Target, int]]) -> Any:
    shares = [TcpProxy.WeightedCluster.ClusterWeight(name=target.cluster, weight=weight) for target, weight in used]
    return TcpProxy.WeightedCluster(clusters=shares)
