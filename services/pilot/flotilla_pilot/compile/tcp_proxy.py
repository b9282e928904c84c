"""TCP proxies: connections to one cluster, or shared by weight."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import ON_DOWNSTREAM_TLS_HANDSHAKE, TcpProxy

from flotilla_pilot.compile import mixer
from flotilla_pilot.compile.access_log import access_logs
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.field_rules import duration_fault
from flotilla_pilot.compile.hashing import connection_hash
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import TrafficPolicy
from flotilla_shared.model.static_attributes import OUTBOUND

TCP_PROXY = "envoy.filters.network.tcp_proxy"


_HOST = re.compile(r"[\w.:-]+")
"""Envoy reads more than a name into some signs, and refuses a listener for what it cannot read."""

EARLY_BYTES = 16384
"""What a caller may send before its handshake with us has ended, where the application waits for that."""


def tcp_proxy(
    stat_prefix: str,
    targets: Sequence[tuple[Target, int]],
    mesh: MeshOptions,
    direction: str = OUTBOUND,
    *,
    mutual: bool = False,
) -> Filter:
    """The filter for `targets` with their weights; a weight of 0 gets nothing unless it stands alone.

    `mutual`: callers show a certificate, which is to be known when a connection is reported as open.
    """
    reports = mixer.tcp_reports(mesh, direction)
    proxy = TcpProxy(stat_prefix=stat_prefix, access_log=[*access_logs(mesh), *reports])
    if reports:
        proxy.access_log_options.flush_access_log_on_connected = True
        proxy.access_log_options.access_log_flush_interval.seconds = mixer.REPORT_SECONDS
    if reports and mutual:
        proxy.upstream_connect_mode = ON_DOWNSTREAM_TLS_HANDSHAKE
        proxy.max_early_data_bytes.value = EARLY_BYTES
    used = [pair for pair in targets if pair[1] > 0] or list(targets[:1])
    if len(used) == 1:
        proxy.cluster = used[0][0].cluster
        tunnel = used[0][0].tunnel if len(targets) == 1 else None
        if tunnel is not None and _HOST.fullmatch(tunnel.target_host) and 0 < tunnel.target_port < 1 << 16:
            proxy.tunneling_config.CopyFrom(_through(tunnel))
    else:
        proxy.weighted_clusters.CopyFrom(_weighted(used))
    idle = targets[0][0].idle or mesh.proxy.silence
    if idle is not None and not duration_fault(idle):
        proxy.idle_timeout.CopyFrom(idle)
    proxy.hash_policy.extend(connection_hash(used[0][0].hash))
    return typed(Filter, TCP_PROXY, proxy)


def _through(tunnel: TrafficPolicy.TunnelSettings) -> TcpProxy.TunnelingConfig:
    """The connection goes to a proxy, which is asked to connect it on to where the rule says."""
    host = f"[{tunnel.target_host}]" if ":" in tunnel.target_host else tunnel.target_host
    return TcpProxy.TunnelingConfig(hostname=f"{host}:{tunnel.target_port}", use_post=tunnel.protocol == "POST")


def _weighted(used: Iterable[tuple[Target, int]]) -> Any:
    shares = [TcpProxy.WeightedCluster.ClusterWeight(name=target.cluster, weight=weight) for target, weight in used]
    return TcpProxy.WeightedCluster(clusters=shares)
