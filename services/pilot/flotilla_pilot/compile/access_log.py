"""Access logs, as the mesh configuration asks for them."""

import json
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter, ResponseFlagFilter
from envoy.config.core.v3.base_pb2 import DataSource
from envoy.config.core.v3.substitution_format_string_pb2 import JsonFormatOptions, SubstitutionFormatString
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile.log_format import format_fault
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.model.mesh import MeshOptions

TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
"""Istio's own format, which its tools and its users' parsers know."""

JSON_FORMAT = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
}

_NAME = "envoy.access_loggers.file"


def access_logs(mesh: MeshOptions) -> list[Any]:
    """The log of every request or connection; none without `accessLogFile`."""
    return [AccessLog(name=_NAME, typed_config=pack(_file(mesh)))] if mesh.access_log_file else []


def unmatched_logs(mesh: MeshOptions) -> list[Any]:
    """A listener's own log: connections that no filter chain took, which no other log would show."""
    if not mesh.access_log_file:
        return []
    only = AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=["NR"]))
    return [AccessLog(name=_NAME, filter=only, typed_config=pack(_file(mesh)))]


def _file(mesh: MeshOptions) -> FileAccessLog:
    return FileAccessLog(path=mesh.access_log_file, log_format=_format(mesh))


def format_problem(mesh: MeshOptions) -> str:
    """What is wrong with the mesh's own format, in a sentence; the default stands in for it then."""
    text = mesh.access_log_format
    if not text:
        return ""
    if mesh.access_log_json and _parsed(text) is None:
        return "accessLogFormat must be a JSON object, as accessLogEncoding is JSON; Istio's own format is used"
    unknown = format_fault(text)
    return f"accessLogFormat has {unknown!r}, which is no command of Envoy's; Istio's own is used" if unknown else ""


def _format(mesh: MeshOptions) -> SubstitutionFormatString:
    own = "" if format_problem(mesh) else mesh.access_log_format
    if not mesh.access_log_json:
        text = own or TEXT_FORMAT
        line = text if text.endswith("\n") else f"{text}\n"
        return SubstitutionFormatString(text_format_source=DataSource(inline_string=line))
    fields = Struct()
    fields.update(_parsed(own) or JSON_FORMAT)
    return SubstitutionFormatString(json_format=fields, json_format_options=JsonFormatOptions())


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(text) if text else None
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
