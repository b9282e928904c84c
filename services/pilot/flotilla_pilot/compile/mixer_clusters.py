"""The clusters of Mixer's servers, which every proxy has.

They are outside any Sidecar scope, exportTo, DestinationRule and automatic mTLS: what is asked of policy must not
depend on what policy and routing say.
"""

from dataclasses import replace
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile import tls
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.clusters import outbound
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.http_options import Speech, apply_http
from flotilla_pilot.compile.mixer import cluster_name
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, CompiledResource
from flotilla_pilot.compile.traffic_policy import NOTHING_SAID
from flotilla_pilot.model.destination_rules import NO_POLICY
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.mixer import MixerServer
from flotilla_pilot.model.references import keys
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.protocols import Protocol
from flotilla_shared.model.spiffe import spiffe_id

ACCOUNT = "istio-mixer-service-account"
CONNECT_SECONDS = 1


def add_mixer_clusters(found: Collected, snapshot: MeshSnapshot, cache: ResourceCache) -> None:
    """Add them to what is compiled for a proxy: before its other clusters, of which one may have the same name."""
    for server in snapshot.mesh.mixer.servers:
        given = _given(server, snapshot)
        if given is None:
            _add_empty(found, server, snapshot.mesh)
            continue
        found.add(_cluster(given, cache))
        found.add_assignment(given, snapshot)


def _given(server: MixerServer, snapshot: MeshSnapshot) -> OutboundCluster | None:
    """The server's cluster as an ordinary one; None when no service has its host and port."""
    service = _service(server, snapshot)
    port = service.port(server.port) if service is not None else None
    if service is None or port is None:
        return None
    return OutboundCluster(service, replace(port, protocol=Protocol.GRPC), "", NO_POLICY, snapshot.mesh, binds=True)


def _service(server: MixerServer, snapshot: MeshSnapshot) -> Service | None:
    """Whoever may see it: the oldest of the root namespace, or of any other."""
    found = [service for service in snapshot.services if service.host == server.host]
    own = [service for service in found if service.namespace == snapshot.mesh.root_namespace]
    return next(iter(own or found), None)


def _cluster(given: OutboundCluster, cache: ResourceCache) -> CompiledResource:
    """Made once for all proxies; an ordinary cluster of the same name has another key."""

    def build() -> CompiledResource:
        body = serialized(_secured(outbound(given), given))
        return cache.intern(CLUSTER, given.name, body, keys(given.references()))

    found: CompiledResource = cache.get(("mixer", *given.key()), build)
    return found


def _secured(cluster: Any, given: OutboundCluster) -> Any:
    """Mutual TLS with Mixer's own account, whatever endpoints and rules say."""
    mesh = given.mesh
    # The agent counts lost reports by the cluster's own name.
    cluster.ClearField("alt_stat_name")
    del cluster.transport_socket_matches[:]
    accepted = [spiffe_id(each, mesh.root_namespace, ACCOUNT) for each in mesh.trust_domains]
    # The SNI is a name that the certificate has: gRPC complains of others at every handshake.
    cluster.transport_socket.CopyFrom(tls.mesh_client(given.service.host, accepted, ("h2",)))
    cluster.connect_timeout.CopyFrom(Duration(seconds=CONNECT_SECONDS))
    return cluster


def _add_empty(found: Collected, server: MixerServer, mesh: MeshOptions) -> None:
    """A cluster that nobody is behind: a filter or log without its cluster would lose the whole listener."""
    name = cluster_name(server)
    cluster = Cluster(name=name, type=Cluster.STATIC, connect_timeout=Duration(seconds=CONNECT_SECONDS))
    apply_limits(cluster, None, None, mesh.clusters)
    apply_http(cluster, NOTHING_SAID, Speech(http2=True))
    found.intern(CLUSTER, name, serialized(cluster), keys(mesh.references))
    field = "mixerReportServer" if server == mesh.mixer.report else "mixerCheckServer"
    text = f"no service has the host {server.host} with port {server.port}: Checks fail and reports are lost"
    for key, _ in mesh.references:
        found.log.warning(key, "no-mixer", field, text)
