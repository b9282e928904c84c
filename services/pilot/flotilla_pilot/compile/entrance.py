"""A way into a workload: the filter chains of one of its ports, guarded as PeerAuthentication says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, FilterChainMatch
from envoy.config.route.v3.route_components_pb2 import Route, RouteAction, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile import mixer, names, tls
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.gateway_tls import gateway_server
from flotilla_pilot.compile.http_manager import INBOUND, INBOUND_PLAIN, Manner, http_manager
from flotilla_pilot.compile.inbound_chains import Chain, Kind, chains, own_tls
from flotilla_pilot.compile.protocol_filters import protocol_filters
from flotilla_pilot.compile.retries import inbound_policy
from flotilla_pilot.compile.tcp_proxy import tcp_proxy
from flotilla_pilot.model.authentication import DISABLE
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.snapshot import Served
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings
from flotilla_shared.model.protocols import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Entrance:
    """One port by which calls come in: where, what it speaks, and where the application is.

    Port 0 is every port that has no entrance of its own. Without `target` the application is where the caller
    meant to go, which only intercepted connections know. `unserved`: no service knows the port.
    """

    address: str
    port: int
    protocol: Protocol
    target: str = ""
    target_port: int = 0
    served: Served | None = None
    """Whose calls come in here, as far as some service says so."""
    unserved: bool = False
    tls: ServerTLSSettings | None = None
    """TLS that its Sidecar states: served where the mesh's own is switched off for the port."""
    service_port: int = 0
    """The port of that service, which leads to this one; 0 for none. What the routes are named after."""
    declared_by: str = ""
    """The Sidecar that states it, as `name.namespace`."""

    @property
    def host(self) -> str:
        """The name under which calls to it are told: that of who says that it is there."""
        return self.declared_by or (self.served[0].host if self.served is not None else "")

    @property
    def cluster(self) -> str:
        return names.INBOUND_PASSTHROUGH if self.unserved else names.inbound_cluster(self.port)

    @property
    def listener(self) -> str:
        return names.listener(self.address, self.port)

    def ends_tls(self, mode: int) -> bool:
        """Whether it ends TLS with its own certificates under this mode of PeerAuthentication."""
        return self.tls is not None and mode == DISABLE

    def chains(self, mode: int) -> tuple[Chain, ...]:
        """The filter chains of the port under this mode of PeerAuthentication."""
        return own_tls(self.protocol) if self.ends_tls(mode) else chains(mode, self.protocol)


def static(entrance: Entrance, mesh: MeshOptions) -> mixer.Attributes:
    """What Mixer is told of calls that come in here."""
    if entrance.served is None:
        return {}
    service, _ = entrance.served
    return mixer.attributes_of(service.host, service.namespace, mesh)


def entrance_chain(chain: Chain, entrance: Entrance, mesh: MeshOptions, name: str) -> Any:
    """The filter chain of `chain`. As in Istio, those of one way in have one name."""
    match = FilterChainMatch(transport_protocol=chain.transport, application_protocols=chain.alpn)
    if entrance.port:
        match.destination_port.value = entrance.port
    filters = list(_filters(chain, entrance, mesh))
    answer = FilterChain(name=name, filter_chain_match=match, filters=filters)
    if chain.mutual:
        answer.transport_socket.CopyFrom(tls.mesh_server(mesh, tls.SERVER_ALPN_HTTP))
    if chain.own_tls and entrance.tls is not None:
        answer.transport_socket.CopyFrom(gateway_server(entrance.tls, mesh))
    return answer


def _filters(chain: Chain, entrance: Entrance, mesh: MeshOptions) -> Iterable[Filter]:
    cluster, attributes = entrance.cluster, static(entrance, mesh)
    if chain.kind is Kind.HTTP:
        side = INBOUND if chain.mutual else INBOUND_PLAIN
        prefix = cluster if entrance.unserved else f"inbound_{entrance.listener}"
        web = Manner(web=entrance.protocol is Protocol.GRPC_WEB)
        yield http_manager(f"{prefix};", side, mesh, _routes(cluster, entrance, attributes), web)
        return
    asked = mixer.tcp_check(mesh, INBOUND.direction, attributes)
    if asked is not None:
        yield asked
    yield from protocol_filters(entrance.protocol, cluster)
    yield tcp_proxy(cluster, [(Target(cluster), 1)], mesh, INBOUND.direction, mutual=chain.mutual)


def _routes(cluster: str, entrance: Entrance, attributes: mixer.Attributes) -> RouteConfiguration:
    action = RouteAction(cluster=cluster, timeout=Duration(), retry_policy=inbound_policy())
    # A caller's own limit counts, as gRPC states it in a header.
    action.max_stream_duration.max_stream_duration.CopyFrom(Duration())
    action.max_stream_duration.grpc_timeout_header_max.CopyFrom(Duration())
    route = Route(name="default", route=action)
    mixer.add_static(route.metadata, attributes)
    route.match.prefix = "/"
    number = 0 if entrance.unserved else entrance.service_port or entrance.port
    route.decorator.operation = f"{entrance.host}:{number}/*"
    every = VirtualHost(name=f"inbound|http|{number}", domains=["*"], routes=[route])
    return RouteConfiguration(name=cluster, virtual_hosts=[every], validate_clusters=BoolValue(value=False))
