"""What stands before a gateway (`gatewayTopology`): whose word it takes about who calls."""

from dataclasses import replace
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter
from envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2 import ProxyProtocol
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from flotilla_pilot.compile.http_manager import GATEWAY, Side
from flotilla_pilot.compile.packing import typed
from flotilla_protos.istio.mesh.v1alpha1 import proxy_pb2
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import Topology

PROXY_PROTOCOL = "envoy.filters.listener.proxy_protocol"

_CERTIFICATES = {
    proxy_pb2.SANITIZE: HttpConnectionManager.SANITIZE,
    proxy_pb2.FORWARD_ONLY: HttpConnectionManager.FORWARD_ONLY,
    proxy_pb2.APPEND_FORWARD: HttpConnectionManager.APPEND_FORWARD,
    proxy_pb2.SANITIZE_SET: HttpConnectionManager.SANITIZE_SET,
    proxy_pb2.ALWAYS_FORWARD_ONLY: HttpConnectionManager.ALWAYS_FORWARD_ONLY,
}


def gateway_side(topology: Topology) -> Side:
    """The gateway's side, with as many trusted proxies before it and what becomes of clients' certificates."""
    certificates = _CERTIFICATES.get(topology.forward_client_cert_details, GATEWAY.certificates)
    return replace(GATEWAY, certificates=certificates, trusted_hops=topology.num_trusted_proxies)


def connection_filters(topology: Topology) -> list[Any]:
    """What reads a connection before anything else: the header of the PROXY protocol, which then must be there."""
    return [typed(ListenerFilter, PROXY_PROTOCOL, ProxyProtocol())] if topology.HasField("proxy_protocol") else []
