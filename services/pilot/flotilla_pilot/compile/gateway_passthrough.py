"""AUTO_PASSTHROUGH: the mesh's own TLS, sent on by the name of a cluster that a caller of another network asks for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from envoy.config.listener.v3.listener_components_pb2 import FilterChain, FilterChainMatch

from flotilla_pilot.compile.clusters import every_cluster
from flotilla_pilot.compile.destinations import Destinations, Target
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.tcp_proxy import tcp_proxy
from flotilla_pilot.compile.tls import ISTIO_ALPN
from flotilla_pilot.model.caller import Caller
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.scope.gateway import BoundServer, server_host
from flotilla_shared.model.hosts import covers


def exposed_clusters(
    bound: BoundServer, destinations: Destinations, mesh: MeshOptions, caller: Caller
) -> Iterator[OutboundCluster]:
    """The clusters of every service of the mesh that one of the server's hosts covers, subsets too."""
    hosts = [server_host(text, bound.gateway.key.namespace)[1] for text in bound.server.hosts]
    services = (each for each in destinations.services.values() if not each.external)
    inside = [each for each in services if any(covers(host, each.host) for host in hosts)]
    for each in every_cluster(inside, destinations.policy, mesh, True, caller):
        yield replace(each, passed_through=True)


def exposing_chain(cluster: OutboundCluster, mesh: MeshOptions) -> FilterChain:
    """Only callers of the mesh get here: they ask for the cluster by name, and offer what only they speak."""
    match = FilterChainMatch(server_names=[cluster.name], application_protocols=ISTIO_ALPN)
    target = Target(cluster.name, cluster.service.host, cluster.port.number, cluster.service.namespace)
    return FilterChain(filter_chain_match=match, filters=[tcp_proxy(cluster.name, [(target, 1)], mesh)])


def untaken(clusters: Iterable[OutboundCluster], taken: set[str]) -> list[OutboundCluster]:
    """Those whose name nothing older has, another server of the port or a port of the same number; they are taken then.

    Names are asked for in lower case.
    """
    free: list[OutboundCluster] = []
    for each in clusters:
        if each.name.lower() not in taken:
            free.append(each)
            taken.add(each.name.lower())
    return free
