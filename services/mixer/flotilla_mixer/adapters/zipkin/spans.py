"""Rows of `tracespan` as spans of Zipkin's API, version 2 (mixer.md 5.15)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flotilla_mixer.adapters.zipkin.outcomes import DESCRIPTION, ERROR, OK, STATUS_CODE, outcome_of
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.kit.trace_context import Context, read_context, rewritten, wanted
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Timestamp

# A span as Zipkin's JSON has it: traceId, id, kind, and what else is known.
Span = dict[str, Any]
Endpoint = dict[str, str]
CLIENT, SERVER = "CLIENT", "SERVER"
UNTRACED, UNSAMPLED = "untraced", "unsampled"  # why a row is no span
UNNAMED = "default"  # the service of a span that names none, as 1.4 had it
LONGEST_NAME = 256
MOST_REMEMBERED = 4096  # ends of calls, of a kilobyte each at most
MICROSECOND = 1_000
MOST = 2**63 - 1
FIELDS = {name: place for place, name in enumerate(TRACE_SPAN.fields)}
_TAGS = len(FIELDS)  # the place of the tags' values
_TRACE, _SPAN, _PARENT = FIELDS["trace_id"], FIELDS["span_id"], FIELDS["parent_span_id"]
_NAME, _START, _END = FIELDS["span_name"], FIELDS["start_time"], FIELDS["end_time"]
_STATUS, _CLIENT, _REWRITE = FIELDS["http_status_code"], FIELDS["client_span"], FIELDS["rewrite_client_span_id"]
_SOURCE, _DESTINATION = FIELDS["source_name"], FIELDS["destination_name"]
_REQUEST, _RESPONSE = FIELDS["request_total_size"], FIELDS["response_total_size"]


@dataclass(frozen=True, slots=True)
class Manner:
    """`probability`: the share of traces that is sent of those whose caller decided nothing. `shared`: servers' spans that
    have their client's id say so. Of a tag so many characters are sent.
    """

    probability: float
    shared: bool
    longest_tag: int


def span_of(spec: InstanceSpec, row: Sequence[Any], manner: Manner) -> Span | str:
    """The span of a row, or why there is none: UNTRACED, UNSAMPLED. Raises ValueError for a row that does not fit."""
    context = read_context(row[_TRACE], row[_SPAN], row[_PARENT])
    if context is None:
        return UNTRACED
    if not wanted(context, manner.probability):
        return UNSAMPLED
    is_client = row[_CLIENT] is True
    span: Span = {"traceId": context.trace, "id": context.span, "kind": CLIENT if is_client else SERVER}
    _put_ids(span, context, is_client, row[_REWRITE] is True, manner.shared)
    if row[_NAME]:
        span["name"] = clean(text_of(row[_NAME])[:LONGEST_NAME])
    _put_times(span, row, is_client)
    source, destination = _endpoint(row, _SOURCE), _endpoint(row, _DESTINATION)
    local, remote = (source, destination) if is_client else (destination, source)
    span["localEndpoint"] = local if "serviceName" in local else {"serviceName": UNNAMED} | local
    if remote := _told(remote):
        span["remoteEndpoint"] = remote
    tags = _tags(spec, row, manner.longest_tag)
    if tags:
        span["tags"] = tags
    return span


def _put_ids(span: Span, context: Context, is_client: bool, rewrite: bool, shared: bool) -> None:
    """Both sides of a call report one id. Rewritten, the client's becomes another, and is the server's parent; else the
    two spans are one that both have a share in.
    """
    parent = context.parent
    if rewrite and is_client:
        span["id"] = rewritten(context.span)
    elif rewrite:
        parent = rewritten(context.span)
    elif shared and not is_client:
        span["shared"] = True
    if parent and parent != span["id"]:
        span["parentId"] = parent
    if context.debug:
        span["debug"] = True


def _put_times(span: Span, row: Sequence[Any], is_client: bool) -> None:
    """Begin, length, and how much went each way, as 1.4 annotated it."""
    start, end = _microseconds(row[_START]), _microseconds(row[_END])
    if start:
        span["timestamp"] = start
    if start and end and row[_END] > row[_START]:
        span["duration"] = max(1, (row[_END] - row[_START] + MICROSECOND // 2) // MICROSECOND)
    found = []
    if start and _is_number(row[_REQUEST]):
        found.append({"timestamp": start, "value": f"{'Sent' if is_client else 'Received'} {row[_REQUEST]} bytes"})
    if end and _is_number(row[_RESPONSE]):
        found.append({"timestamp": end, "value": f"{'Received' if is_client else 'Sent'} {row[_RESPONSE]} bytes"})
    if found:
        span["annotations"] = found


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _microseconds(moment: object) -> int:
    """Since 1970, to the nearest; 0 for what is no moment since then."""
    if not isinstance(moment, Timestamp) or not 0 < moment <= MOST:
        return 0
    return (int(moment) + MICROSECOND // 2) // MICROSECOND


def _endpoint(row: Sequence[Any], place: int) -> Endpoint:
    """A side of the call: its name, and the address that stands in the field after it. Never change it."""
    name, address = row[place], row[place + 1]
    text = name if type(name) is str else text_of(name)
    packed = address if type(address) is bytes and len(address) in (4, 16) else b""
    return _side(text[:LONGEST_NAME], packed)


@lru_cache(maxsize=MOST_REMEMBERED)
def _side(name: str, address: bytes) -> Endpoint:
    found = {"serviceName": clean(name)} if name else {}
    if address:
        ip = ipaddress.ip_address(address)
        mapped = getattr(ip, "ipv4_mapped", None)
        found["ipv4" if mapped or ip.version == 4 else "ipv6"] = str(mapped or ip)
    return found


def _told(endpoint: Endpoint) -> Endpoint:
    """Without an address that is none, as instances write it where they know no better."""
    if endpoint.get("ipv4") != "0.0.0.0" and endpoint.get("ipv6") != "::":  # noqa: S104
        return endpoint
    return {name: value for name, value in endpoint.items() if name == "serviceName"}


def _tags(spec: InstanceSpec, row: Sequence[Any], longest: int) -> dict[str, str]:
    """Those of the instance go before the status code; how the call ended is said last."""
    status = row[_STATUS]
    known = type(status) is int and 0 < status <= MOST
    tags = {STATUS_CODE: str(status)} if known else {}
    for name, value in zip(spec.names.get("span_tags", ()), row[_TAGS], strict=True):
        tags[name] = clean(text_of(value)[:longest])
    if known:
        outcome = outcome_of(status)
        tags[DESCRIPTION] = outcome
        if outcome != OK:
            tags[ERROR] = outcome
    return tags


def clean(text: str) -> str:
    """The same in UTF-8, which has no halves of characters."""
    return text if text.isascii() else text.encode(errors="replace").decode()
