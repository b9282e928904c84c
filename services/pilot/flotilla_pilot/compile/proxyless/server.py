"""What a gRPC server asks for: the listener of each address that it may listen on."""

from collections.abc import Iterable, Iterator
from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import NonForwardingAction, Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile import tls
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.http_manager import HTTP_MANAGER
from flotilla_pilot.compile.listener_plan import is_port
from flotilla_pilot.compile.matching import any_request
from flotilla_pilot.compile.packing import serialized, typed
from flotilla_pilot.compile.proxyless import names
from flotilla_pilot.compile.proxyless.client import ROUTER
from flotilla_pilot.compile.proxyless.security import certificates
from flotilla_pilot.compile.resource import LISTENER
from flotilla_pilot.model.authentication import PERMISSIVE, STRICT, PeerMode
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.registry import TLS_MODE_LABEL
from flotilla_pilot.model.services import TLS_ISTIO
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.protocols import Protocol

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


def compile_server(snapshot: MeshSnapshot, proxy: Proxy, cache: ResourceCache) -> Collected:
    """A listener for every port by which services of the workload's namespace lead to it."""
    found = Collected(cache)
    for port, references in _ports(snapshot, proxy):
        asked = snapshot.peer_mode(proxy.namespace, proxy.labels, proxy.addresses, port)
        mutual = takes_mutual(asked, proxy)
        for address in dict.fromkeys((*proxy.addresses, *_ANYWHERE)):
            name = names.server_listener(address, port)
            body = serialized(_listener(name, address, port, mutual=mutual))
            found.intern(LISTENER, name, body, keys((*references, *asked.references)))
    return found


def takes_mutual(asked: PeerMode, proxy: Proxy) -> bool:
    """A gRPC server cannot tell by the first bytes what comes: what may be either is what callers are told of."""
    labelled = proxy.labels.get(TLS_MODE_LABEL) == TLS_ISTIO
    return asked.mode == STRICT or (asked.mode == PERMISSIVE and labelled)


def _ports(snapshot: MeshSnapshot, proxy: Proxy) -> Iterator[tuple[int, Iterable[Reference]]]:
    found: dict[int, dict[Reference, None]] = {}
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            for port in service.ports if service.namespace == proxy.namespace else ():
                number = endpoint.port_for(port)
                if is_port(number) and port.protocol is not Protocol.UDP:
                    found.setdefault(number, {}).update(dict.fromkeys(service.references))
    yield from sorted(found.items())


def _listener(name: str, address: str, port: int, *, mutual: bool) -> Any:
    """Exactly one chain, without any match; the calls go to the server itself."""
    everything = Route(match=any_request(), non_forwarding_action=NonForwardingAction())
    table = RouteConfiguration(
        name="inbound", virtual_hosts=[VirtualHost(name="inbound", domains=["*"], routes=[everything])]
    )
    manager = HttpConnectionManager(route_config=table, http_filters=[typed(HttpFilter, ROUTER, Router())])
    chain = FilterChain(
        name="inbound-mtls" if mutual else "inbound-plaintext", filters=[typed(Filter, HTTP_MANAGER, manager)]
    )
    if mutual:
        context = DownstreamTlsContext(
            require_client_certificate=BoolValue(value=True), common_tls_context=certificates(())
        )
        chain.transport_socket.CopyFrom(typed(type(chain.transport_socket), tls.TLS_SOCKET, context))
    return Listener(
        name=name,
        address=socket_address(address, port),
        traffic_direction=TrafficDirection.INBOUND,
        filter_chains=[chain],
    )
