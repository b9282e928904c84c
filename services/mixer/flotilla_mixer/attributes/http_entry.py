"""From an HTTP access-log entry to a bag."""

from __future__ import annotations

from typing import Any

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType

from flotilla_mixer.attributes.entry import MAPPED_CODE, Bag, common_bag, put_verdict
from flotilla_mixer.attributes.parts import duration, http_protocol, put_path, timestamp
from flotilla_mixer.attributes.trust import Direction, Trust
from flotilla_shared.model.expressions import Timestamp

EXT_AUTHZ = "envoy.filters.http.ext_authz"
WHOLE = frozenset((AccessLogType.NotSet, AccessLogType.DownstreamEnd))  # others speak of a request that goes on


def http_bag(entry: Any, direction: Direction, trust: Trust) -> Bag | None:
    """The bag of a finished request, or None for an entry about one that goes on."""
    common, request, response = entry.common_properties, entry.request, entry.response
    if common.access_log_type not in WHOLE:
        return None
    bag = common_bag(common, common.custom_tags, "route", direction, trust)
    headers = dict(request.request_headers)
    bag["request.headers"] = headers
    bag["context.protocol"] = http_protocol(headers)
    bag["request.method"] = _METHODS.get(request.request_method, "")
    bag["request.host"], bag["request.scheme"] = request.authority, request.scheme or "http"
    put_path(bag, request.path)
    for attribute, value in (
        ("request.useragent", request.user_agent),
        ("request.referer", request.referer),
        ("request.id", request.request_id),
    ):
        if value:
            bag[attribute] = value
    bag["request.size"] = request.request_body_bytes
    bag["request.total_size"] = request.request_headers_bytes + request.request_body_bytes
    bag["response.headers"] = dict(response.response_headers)
    bag["response.code"] = response.response_code.value
    bag["response.size"] = response.response_body_bytes
    bag["response.total_size"] = response.response_headers_bytes + response.response_body_bytes
    _put_times(bag, common)
    _put_outcome(bag, common, response)
    return bag


def _put_times(bag: Bag, common: Any) -> None:
    began, took = timestamp(common.start_time), duration(common.duration)
    bag["request.time"] = began
    bag["response.duration"] = took
    bag["response.time"] = Timestamp(began + took)


def _put_outcome(bag: Bag, common: Any, response: Any) -> None:
    """gRPC's status, and what Mixer itself had said to the request."""
    status = common.custom_tags.get("grpc", "-")
    if status not in ("", "-") and bag["context.protocol"] == "grpc":
        bag["response.grpc_status"] = status
        message = response.response_trailers.get("grpc-message") or response.response_headers.get("grpc-message")
        if message:
            bag["response.grpc_message"] = message
    bag["check.cache_hit"] = bag["quota.cache_hit"] = False
    put_verdict(bag, common, EXT_AUTHZ)
    mapped = bag.pop(MAPPED_CODE, None)
    if mapped and bag["context.protocol"] == "grpc":
        bag["response.code"] = mapped  # Envoy's is 200, as every gRPC answer's; 1.4 reported the mapped one


_METHODS = dict(enumerate(("", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")))
