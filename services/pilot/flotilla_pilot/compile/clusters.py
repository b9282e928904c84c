"""Clusters: one for each port and subset of a service."""

from collections.abc import Iterable
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Metadata
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile import mixer, names
from flotilla_pilot.compile.cluster_tls import apply_tls, speech_of, wanted_tls
from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.discovery import resolve
from flotilla_pilot.compile.http_options import apply_http
from flotilla_pilot.compile.load_balancing import apply_load_balancer
from flotilla_pilot.compile.outbound_cluster import OUTSIDE, OutboundCluster
from flotilla_pilot.compile.outliers import apply_outliers
from flotilla_pilot.compile.stat_names import ended, stat_name
from flotilla_pilot.model.caller import A_SIDECAR, Caller
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.services import Service
from flotilla_shared.model.protocols import Protocol


def outbound(given: OutboundCluster) -> Any:
    """The Envoy cluster of `given`."""
    policy, mesh = given.effective, given.mesh
    cluster = Cluster(name=given.name, connect_timeout=mesh.connect_timeout, metadata=_metadata(given))
    cluster.alt_stat_name = _stat_name(given)
    if not given.forwards:
        cluster.common_lb_config.healthy_panic_threshold.SetInParent()
    resolve(cluster, given)
    wanted = wanted_tls(given)
    apply_limits(cluster, policy.connection_pool, policy.retry_budget, mesh.clusters)
    apply_outliers(cluster, policy.outlier_detection)
    apply_load_balancer(cluster, policy.load_balancer)
    _balance(cluster, given)
    apply_http(cluster, policy, speech_of(given, wanted))
    apply_tls(cluster, given, wanted)
    return cluster


def _balance(cluster: Any, given: OutboundCluster) -> None:
    """Unhealthy endpoints are told of only to be counted: then never may all be called because most are unhealthy."""
    if not given.panics and cluster.common_lb_config.healthy_panic_threshold.value:
        cluster.common_lb_config.healthy_panic_threshold.value = 0
    if given.balance is not None and given.balance.weighted and cluster.lb_policy != Cluster.CLUSTER_PROVIDED:
        cluster.common_lb_config.locality_weighted_lb_config.SetInParent()


def _stat_name(given: OutboundCluster) -> str:
    pattern = given.mesh.clusters.outbound_stat_name
    return ended(stat_name(pattern, given.service, given.port, given.subset) if pattern else given.name)


def _metadata(given: OutboundCluster) -> Metadata:
    service = {"host": given.service.host, "name": given.service.host.split(".")[0]}
    fields: dict[str, Any] = {"services": [{**service, "namespace": given.service.namespace}]}
    if given.policy.references:
        key = given.policy.references[0][0]
        fields["config"] = names.config_path(key.namespace, "destination-rule", key.name)
    if given.subset:
        fields["subset"] = given.subset
    elif given.service.external:
        fields["external"] = True
    if given.effective.tls is not None and given.effective.tls.mode in OUTSIDE:
        fields["alpn_override"] = "false"
    metadata = Metadata(filter_metadata={"istio": _struct(fields)})
    mixer.add_static(metadata, mixer.attributes_of(given.service.host, given.service.namespace, given.mesh))
    return metadata


def _struct(fields: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct


def every_cluster(
    services: Iterable[Service], policies: Any, mesh: MeshOptions, binds: bool, caller: Caller = A_SIDECAR
) -> Iterable[OutboundCluster]:
    """Each port (but UDP ones) of each service, whole and by subset."""
    for service in services:
        policy = policies(service)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            for subset in ("", *(each.name for each in policy.subsets)):
                yield OutboundCluster(service, port, subset, policy, mesh, binds, caller=caller)
