"""From a CheckRequest of ext_authz to a bag: what is known before a request is answered."""

from __future__ import annotations

import time
from typing import Any

import orjson

from flotilla_mixer.attributes.parts import http_protocol, put_address, put_destination, put_path, timestamp
from flotilla_mixer.attributes.trust import Direction, Trust, bare
from flotilla_shared.model.expressions import Timestamp
from flotilla_shared.model.static_attributes import METADATA, TRUST_HEADERS

Bag = dict[str, object]


def check_bag(attributes: Any, static: str, direction: Direction, trust: Trust) -> Bag:
    """The bag of an `AttributeContext`.

    `static` is what the call's metadata carries (TCP); an HTTP request carries it as route metadata.
    """
    bag: Bag = {"context.reporter.kind": direction, "context.reporter.local": direction == "inbound"}
    bag["context.time"] = bag["context.timestamp"] = Timestamp(time.time_ns())
    source, destination = bare(attributes.source.principal), bare(attributes.destination.principal)
    bag["connection.mtls"] = bool(source)
    if attributes.tls_session.sni:
        bag["connection.requested_server_name"] = attributes.tls_session.sni
    if attributes.request.HasField("http"):
        static = _route_metadata(attributes) or static
        _put_http(bag, attributes)
    else:
        bag["context.protocol"] = "tcp"
    bag |= trust.static(static, direction)
    _put_ends(bag, attributes, direction, trust, source)
    if source:
        bag["source.principal"] = bag["source.user"] = source
    if destination:
        bag["destination.principal"] = destination
    return bag


def _put_ends(bag: Bag, attributes: Any, direction: Direction, trust: Trust, principal: str) -> None:
    """Who calls whom. Outbound (a gateway, or a client's own sidecar) the reporter is the source."""
    put_address(bag, "source", attributes.source.address)
    put_address(bag, "destination", attributes.destination.address)
    if direction == "outbound":
        bag |= trust.reporter.source
        bag["context.reporter.uid"] = trust.reporter.source["source.uid"]
        return
    put_destination(bag, trust.reporter)
    bag["context.reporter.uid"] = trust.reporter.destination["destination.uid"]
    peer = trust.peer(attributes.source.address.socket_address.address, principal)
    if peer is not None:
        bag |= peer.source


def _put_http(bag: Bag, attributes: Any) -> None:
    http = attributes.request.http
    headers = dict(http.headers)
    for name in TRUST_HEADERS:
        headers.pop(name, None)
    bag["request.headers"] = headers
    bag["request.method"], bag["request.host"] = http.method, http.host
    bag["request.scheme"] = http.scheme or "http"
    put_path(bag, http.path)
    bag["context.protocol"] = http_protocol(headers)
    bag["request.time"] = timestamp(attributes.request.time)
    for attribute, header in (
        ("request.useragent", "user-agent"),
        ("request.referer", "referer"),
        ("request.id", "x-request-id"),
    ):
        if header in headers:
            bag[attribute] = headers[header]


def _route_metadata(attributes: Any) -> str:
    """The static attributes of the route, as the JSON that a log entry has them in."""
    found = attributes.route_metadata_context.filter_metadata
    if METADATA not in found:
        return ""
    return _as_json(found[METADATA])


def _as_json(struct: Any) -> str:
    """Sorted, so that equal metadata is one text (and is read once)."""
    content = {name: value.string_value for name, value in struct.fields.items()}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
