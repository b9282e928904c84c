"""Mixer in Envoy's terms: Checks by ext_authz, reports by gRPC access logs (mixer-on-envoy.md 5, 7, 9).

Static attributes stand in metadata, so that all loggers of a direction have the same configuration: Envoy opens a
stream for each distinct one.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter, ResponseFlagFilter
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption, Metadata
from envoy.config.core.v3.config_source_pb2 import ApiVersion
from envoy.config.core.v3.grpc_service_pb2 import GrpcService
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.extensions.access_loggers.grpc.v3.als_pb2 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
    TcpGrpcAccessLogConfig,
)
from envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz as HttpExtAuthz
from envoy.extensions.filters.network.ext_authz.v3.ext_authz_pb2 import ExtAuthz as TcpExtAuthz
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpFilter,
    LocalReplyConfig,
    ResponseMapper,
)
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.tracing.v3.custom_tag_pb2 import CustomTag
from envoy.type.v3.http_status_pb2 import StatusCode
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile.names import outbound_cluster
from flotilla_pilot.compile.packing import pack, typed
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.mixer import MixerServer
from flotilla_shared.model.static_attributes import (
    METADATA,
    NAME,
    REPORTER_HEADER,
    STATIC_HEADER,
    service_attributes,
)

HTTP_CHECK = "envoy.filters.http.ext_authz"
TCP_CHECK = "envoy.filters.network.ext_authz"
HTTP_REPORT = "envoy.access_loggers.http_grpc"
TCP_REPORT = "envoy.access_loggers.tcp_grpc"
JWT = "envoy.filters.http.jwt_authn"
CHECK_SECONDS = 5
"""As 1.4 waited; Envoy's own default is 200 ms."""
REPORT_SECONDS = 10
"""How often a connection that goes on is reported, as in 1.4."""
REPORTED_HEADERS = (
    "content-type",
    "traceparent",
    "b3",
    *(f"x-b3-{name}" for name in ("traceid", "spanid", "parentspanid", "sampled", "flags")),
)
"""Of requests, beside those that every entry has. Envoy must be told each by name: what a call is, and the trace that it is
part of, as W3C and Zipkin write it.
"""
DENIED = "UAEX"

_TAGS = {
    "cluster": "%METADATA(CLUSTER:flotilla)%",
    "flags": "%RESPONSE_FLAGS%",
    "local": "%UPSTREAM_LOCAL_URI_SAN%",
    "peer": "%UPSTREAM_PEER_URI_SAN%",
}
_HTTP_TAGS = _TAGS | {"grpc": "%GRPC_STATUS_NUMBER%", "route": "%METADATA(ROUTE:flotilla)%"}
_TCP_TAGS = _TAGS | {"listener": "%METADATA(LISTENER:flotilla)%"}

Attributes = Mapping[str, str]


def cluster_name(server: MixerServer) -> str:
    """The cluster by which proxies reach a Mixer server."""
    return outbound_cluster(server.port, "", server.host)


def add_static(metadata: Metadata, attributes: Attributes) -> None:
    """Put static attributes beside what stands in `metadata` already; no attributes change nothing."""
    if attributes:
        struct = Struct()
        struct.update(dict(sorted(attributes.items())))
        metadata.filter_metadata[METADATA].CopyFrom(struct)


def attributes_of(host: str, namespace: str, mesh: MeshOptions) -> Attributes:
    """The static attributes of a service; none in a mesh without Mixer, or of no host."""
    return service_attributes(host, namespace) if host and mesh.mixer.servers else {}


def nowhere(name: str, mesh: MeshOptions) -> Attributes:
    """Those of calls that lead to no service: 1.4 named the cluster in its place."""
    return {NAME: name} if mesh.mixer.servers else {}


def http_check(mesh: MeshOptions, direction: str) -> HttpFilter | None:
    """The filter that asks Mixer about each request; None where nobody is asked."""
    check = mesh.mixer.check
    if check is None:
        return None
    settings = HttpExtAuthz(
        transport_api_version=ApiVersion.V3,
        stat_prefix="mixer",
        grpc_service=_grpc(check, {REPORTER_HEADER: direction}),
        failure_mode_allow=mesh.mixer.fail_open,
        status_on_error={"code": StatusCode.ServiceUnavailable},
        include_tls_session=True,
        metadata_context_namespaces=[JWT],
        route_metadata_context_namespaces=[METADATA],
    )
    return typed(HttpFilter, HTTP_CHECK, settings)


def tcp_check(mesh: MeshOptions, direction: str, attributes: Attributes) -> Filter | None:
    """The filter that asks Mixer at the first byte of each connection; None where nobody is asked."""
    check = mesh.mixer.check
    if check is None:
        return None
    static = json.dumps(dict(attributes), sort_keys=True, separators=(",", ":"))
    settings = TcpExtAuthz(
        transport_api_version=ApiVersion.V3,
        stat_prefix="mixer",
        grpc_service=_grpc(check, {REPORTER_HEADER: direction, STATIC_HEADER: static}),
        failure_mode_allow=mesh.mixer.fail_open,
        include_tls_session=True,
    )
    return typed(Filter, TCP_CHECK, settings)


def http_reports(mesh: MeshOptions, direction: str) -> list[Any]:
    """The log that tells Mixer of each request; none where nobody is told."""
    report = mesh.mixer.report
    if report is None or not mesh.mixer.http_reports:
        return []
    settings = HttpGrpcAccessLogConfig(
        common_config=_common(report, direction, _HTTP_TAGS), additional_request_headers_to_log=REPORTED_HEADERS
    )
    return [AccessLog(name=HTTP_REPORT, typed_config=pack(settings))]


def tcp_reports(mesh: MeshOptions, direction: str) -> list[Any]:
    """The log that tells Mixer of each connection; none where nobody is told."""
    report = mesh.mixer.report
    if report is None:
        return []
    settings = TcpGrpcAccessLogConfig(common_config=_common(report, direction, _TCP_TAGS))
    return [AccessLog(name=TCP_REPORT, typed_config=pack(settings))]


def true_grpc_status() -> LocalReplyConfig:
    """gRPC callers get the code that Mixer said; Envoy would make one of the HTTP status."""
    denied = AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=[DENIED]))
    grpc = AccessLogFilter(
        header_filter={
            "header": HeaderMatcher(name="content-type", string_match=StringMatcher(prefix="application/grpc"))
        }
    )
    value = f"%DYNAMIC_METADATA({HTTP_CHECK}:grpc_status)%"
    mapper = ResponseMapper(
        filter=AccessLogFilter(and_filter={"filters": [denied, grpc]}),
        headers_to_add=[
            HeaderValueOption(
                header=HeaderValue(key="grpc-status", value=value),
                append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            )
        ],
    )
    return LocalReplyConfig(mappers=[mapper])


def _grpc(server: MixerServer, metadata: Mapping[str, str]) -> GrpcService:
    return GrpcService(
        envoy_grpc=_envoy_grpc(server),
        timeout=Duration(seconds=CHECK_SECONDS),
        initial_metadata=list(_headers(metadata)),
    )


def _envoy_grpc(server: MixerServer) -> GrpcService.EnvoyGrpc:
    """Without an authority Envoy gives the cluster's name, whose `|` no URI may have: strict servers refuse it."""
    return GrpcService.EnvoyGrpc(cluster_name=cluster_name(server), authority=server.host)


def _headers(metadata: Mapping[str, str]) -> Iterable[HeaderValue]:
    return (HeaderValue(key=name, value=value) for name, value in sorted(metadata.items()))


def _common(server: MixerServer, direction: str, tags: Mapping[str, str]) -> CommonGrpcAccessLogConfig:
    return CommonGrpcAccessLogConfig(
        log_name=direction,
        transport_api_version=ApiVersion.V3,
        grpc_service=GrpcService(envoy_grpc=_envoy_grpc(server)),
        custom_tags=[CustomTag(tag=tag, value=value) for tag, value in sorted(tags.items())],
    )
