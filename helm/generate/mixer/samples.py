"""Which attributes Envoy's messages bring: read off what Mixer makes of messages that have all that Envoy sends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from google.protobuf import json_format

from flotilla_mixer.attributes.check import check_bag
from flotilla_mixer.attributes.connections import ConnectionTable
from flotilla_mixer.attributes.http_entry import http_bag
from flotilla_mixer.attributes.ratelimit import DESCRIPTOR, caller_bag
from flotilla_mixer.attributes.services import ServiceIndex, cluster_service
from flotilla_mixer.attributes.tcp_entry import tcp_bags
from flotilla_mixer.attributes.trust import Direction, Trust
from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.attributes.workloads import Workload, WorkloadFacts, WorkloadIndex
from flotilla_shared.model.static_attributes import service_attributes

OWN, PEER = "10.0.0.2", "10.0.0.1"
HOST = "ratings.default.svc.cluster.local"
STATIC = orjson.dumps(service_attributes(HOST, "default"), option=orjson.OPT_SORT_KEYS).decode()
SIDES: tuple[Direction, ...] = ("inbound", "outbound")
VERDICT = {"check.error_code": 7, "check.error_message": "closed", "check.http_code": 403}
Known = Mapping[str, frozenset[str]]


def _workload(name: str, address: str) -> Workload:
    labels, owner = {"app": name}, f"kubernetes://apis/apps/v1/namespaces/default/deployments/{name}"
    facts = WorkloadFacts(name, "default", (address,), name, labels, owner, name, {9080: name})
    return Workload(facts, "cluster.local")


def _trust(direction: Direction) -> Trust:
    ratings, reviews = _workload("ratings", OWN), _workload("reviews", PEER)
    services = ServiceIndex([cluster_service("ratings", "default", "cluster.local", {"app": "ratings"})])
    view = MeshView(WorkloadIndex([ratings, reviews]), services)
    return Trust(view, ratings if direction == "inbound" else reviews, lambda _: None)


def _address(text: str) -> dict[str, Any]:
    return {"socket_address": {"address": text, "port_value": 9080}}


def _principal(name: str) -> str:
    return f"spiffe://cluster.local/ns/default/sa/{name}"


def _check(*, http: bool) -> dict[str, Any]:
    headers = {"user-agent": "curl", "referer": "/", "x-request-id": "7"}
    request = {
        "time": "2026-01-01T00:00:00Z",
        "http": {"method": "GET", "path": "/a?b=c", "host": "ratings", "headers": headers},
    }
    return {
        "source": {"address": _address(PEER), "principal": _principal("reviews")},
        "destination": {"address": _address(OWN), "principal": _principal("ratings")},
        "tls_session": {"sni": HOST},
        "request": request if http else {},
    }


def _common(filter_name: str) -> dict[str, Any]:
    tags = {"flags": "UF", "route": STATIC, "listener": STATIC, "cluster": STATIC, "grpc": "NotFound"}
    names = {"peer": _principal("ratings"), "local": _principal("reviews")}
    certificate = "local_certificate_properties", "peer_certificate_properties"
    sides = zip(certificate, ("ratings", "reviews"), strict=True)
    return {
        "downstream_direct_remote_address": _address(PEER),
        "downstream_remote_address": _address("203.0.113.7"),
        "downstream_local_address": _address(OWN),
        "upstream_remote_address": _address(OWN),
        "start_time": "2026-01-01T00:00:00Z",
        "duration": "0.02s",
        "custom_tags": tags | names,
        "metadata": {"filter_metadata": {filter_name: VERDICT}},
        "tls_properties": {
            "tls_sni_hostname": HOST,
            **{name: {"subject_alt_name": [{"uri": _principal(account)}]} for name, account in sides},
        },
        "stream_id": "1",
    }


def _http_entry() -> HTTPAccessLogEntry:
    content = {
        "common_properties": _common("envoy.filters.http.ext_authz"),
        "request": {
            "request_method": "POST",
            "path": "/a?b=c",
            "authority": "ratings",
            "user_agent": "curl",
            "referer": "/",
            "request_id": "7",
            "request_headers": {"content-type": "application/grpc"},
        },
        "response": {"response_code": 200, "response_trailers": {"grpc-message": "no"}},
    }
    return json_format.ParseDict(content, HTTPAccessLogEntry())


def _tcp_entry() -> TCPAccessLogEntry:
    common = _common("envoy.filters.network.ext_authz") | {"access_log_type": "TcpConnectionEnd"}
    content = {"common_properties": common, "connection_properties": {"received_bytes": 1, "sent_bytes": 2}}
    return json_format.ParseDict(content, TCPAccessLogEntry())


@cache
def known() -> Known:
    """Attribute -> where it is known: of `Check`, `report`, each for `http` and `tcp`, as in `HTTP Check`; of `rate limit`."""
    found: dict[str, set[str]] = {}
    for direction in SIDES:
        for where, bag in _bags(direction).items():
            for name in bag:
                found.setdefault(name, set()).add(where)
    return {name: frozenset(places) for name, places in found.items()}


def _bags(direction: Direction) -> dict[str, Mapping[str, object]]:
    trust = _trust(direction)
    http, tcp = (json_format.ParseDict(_check(http=each), AttributeContext()) for each in (True, False))
    events = tcp_bags(_tcp_entry(), direction, trust, ConnectionTable(), stream_began_ns=0, now=0.0)
    entry = http_bag(_http_entry(), direction, trust)
    assert entry is not None
    return {
        "HTTP Check": check_bag(http, STATIC, direction, trust),
        "TCP Check": check_bag(tcp, STATIC, direction, trust),
        "HTTP report": entry,
        "rate limit": {**caller_bag("calls", STATIC, direction, trust), DESCRIPTOR: {}},
        "TCP report": {name: value for bag in events for name, value in bag.items()},
    }
