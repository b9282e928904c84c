"""The HTTP connection manager, as outbound, inbound and gateway listeners use it."""

from dataclasses import dataclass, replace
from typing import Any

from envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors
from envoy.extensions.filters.http.dynamic_forward_proxy.v3.dynamic_forward_proxy_pb2 import FilterConfig
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.grpc_stats.v3.config_pb2 import FilterConfig as GrpcStats
from envoy.extensions.filters.http.grpc_web.v3.grpc_web_pb2 import GrpcWeb
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutation as EarlyHeaderMutation,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile import filters, mixer
from flotilla_pilot.compile.access_log import access_logs
from flotilla_pilot.compile.forwarding import dns_cache
from flotilla_pilot.compile.http_limits import limit
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.compile.sources import ads
from flotilla_pilot.compile.tracing import tracing
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_shared.model import static_attributes

HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
HEADER_MUTATION = "envoy.http.early_header_mutation.header_mutation"
_SERVER_NAME = "istio-envoy"


@dataclass(frozen=True, slots=True)
class Side:
    """What differs between the three places of a connection manager."""

    remote_address: bool
    certificates: int
    direction: str
    """As Mixer is told: a gateway is on the side of who calls."""
    shows_certificate: bool = False
    names_server: bool = True
    """Says itself who answered; otherwise callers hear it of Envoy."""
    trusted_hops: int = 0
    """How many proxies before it tell the truth about the caller's address."""
    foreign: bool = False
    """Its callers show no certificate of the mesh: headers that carry trust are taken from them."""


_MANAGER = HttpConnectionManager
OUTBOUND = Side(
    remote_address=False,
    certificates=_MANAGER.SANITIZE,
    direction=static_attributes.OUTBOUND,
    names_server=False,
)
INBOUND = Side(remote_address=False, certificates=_MANAGER.APPEND_FORWARD, direction=static_attributes.INBOUND)
INBOUND_PLAIN = replace(INBOUND, foreign=True)
GATEWAY = Side(
    remote_address=True,
    certificates=_MANAGER.SANITIZE_SET,
    direction=static_attributes.OUTBOUND,
    shows_certificate=True,
    foreign=True,
)


@dataclass(frozen=True, slots=True)
class Manner:
    """What differs between listeners of one place."""

    tunnels: bool = False
    """Takes CONNECT, and HTTP/1.0 of old clients: an explicit proxy."""
    absolute: bool = False
    """Takes requests that state a whole URL, for any host: an explicit proxy."""
    forwards: bool = False
    """Has routes that resolve the name a request asks for."""
    web: bool = False
    """Takes gRPC of browsers, which cannot read trailers, and makes it gRPC."""


def http_manager(
    stat_prefix: str, side: Side, mesh: MeshOptions, routes: str | Any, manner: Manner = Manner()
) -> Filter:
    """The filter; `routes` is the name of a route table on ADS, or the table itself."""
    manager = HttpConnectionManager(
        stat_prefix=stat_prefix,
        server_name=_SERVER_NAME if side.names_server else "",
        access_log=[*access_logs(mesh), *mixer.http_reports(mesh, side.direction)],
        use_remote_address=BoolValue(value=side.remote_address),
        xff_num_trusted_hops=side.trusted_hops,
        stream_idle_timeout=Duration(),
        proxy_100_continue=True,
        forward_client_cert_details=side.certificates,
        http_filters=_filters(side, mesh, manner),
        tracing=tracing(mesh.proxy),
        upgrade_configs=[_MANAGER.UpgradeConfig(upgrade_type=each) for each in _upgrades(manner)],
    )
    limit(manager, mesh, router=side.remote_address)
    if isinstance(routes, str):
        manager.rds.CopyFrom(Rds(route_config_name=routes, config_source=ads()))
    else:
        manager.route_config.CopyFrom(routes)
    if side.certificates in (_MANAGER.APPEND_FORWARD, _MANAGER.SANITIZE_SET):
        details = manager.set_current_client_cert_details
        details.subject.value, details.uri, details.dns = True, True, True
        details.cert = side.shows_certificate
    if _asks(side, mesh):
        manager.local_reply_config.CopyFrom(mixer.true_grpc_status())
    if side.foreign:
        manager.early_header_mutation_extensions.append(_distrust())
    if side.remote_address:
        manager.http_protocol_options.SetInParent()
    if manner.absolute:
        manager.http_protocol_options.allow_absolute_url.value = True
    if manner.tunnels or mesh.proxy.http10:
        manager.http_protocol_options.accept_http_10 = True
    return typed(Filter, HTTP_MANAGER, manager)


def _upgrades(manner: Manner) -> list[str]:
    return ["websocket", "CONNECT"] if manner.tunnels and manner.forwards else ["websocket"]


def _asks(side: Side, mesh: MeshOptions) -> bool:
    """Whether Mixer is asked here: where calls come in, and on the caller's side if the mesh wants that."""
    return mesh.mixer.check is not None and (side is not OUTBOUND or mesh.mixer.client_checks)


def _distrust() -> TypedExtensionConfig:
    """Nothing in the chain ever sees a header by which a client claims to be somebody of the mesh."""
    gone = [HeaderMutation(remove=name) for name in static_attributes.TRUST_HEADERS]
    return typed(TypedExtensionConfig, HEADER_MUTATION, EarlyHeaderMutation(mutations=gone))


def _filters(side: Side, mesh: MeshOptions, manner: Manner) -> list[HttpFilter]:
    asked = mixer.http_check(mesh, side.direction) if _asks(side, mesh) else None
    counted = GrpcStats(emit_filter_state=True, stats_for_all_methods=BoolValue(value=False))
    answer = [
        *([asked] if asked is not None else []),
        *([typed(HttpFilter, "envoy.filters.http.grpc_web", GrpcWeb())] if manner.web else []),
        typed(HttpFilter, "envoy.filters.http.grpc_stats", counted),
        typed(HttpFilter, filters.FAULT, HTTPFault()),
        typed(HttpFilter, filters.CORS, Cors()),
    ]
    if manner.forwards:
        config = FilterConfig(dns_cache_config=dns_cache(mesh.proxy.families, mesh))
        answer.append(typed(HttpFilter, "envoy.filters.http.dynamic_forward_proxy", config))
    return [*answer, typed(HttpFilter, "envoy.filters.http.router", Router())]
