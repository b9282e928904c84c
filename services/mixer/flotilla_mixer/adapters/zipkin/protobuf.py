"""Spans as parts of zipkin.proto3.ListOfSpans, written by hand: half the time of generated messages, and equal spans are
equal bytes. The tests hold it to the messages of flotilla_protos/zipkin/zipkin.proto, where the fields stand.
"""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

from flotilla_mixer.adapters.zipkin.spans import CLIENT, MOST_REMEMBERED, Endpoint, Span

# Number and kind of each field, as one byte: number << 3 | kind (0 varint, 1 eight bytes, 2 with its length before it).
_SPANS = b"\x0a"
_TRACE_ID, _PARENT_ID, _ID, _KIND, _NAME = b"\x0a", b"\x12", b"\x1a", b"\x20", b"\x2a"
_TIMESTAMP, _DURATION, _LOCAL, _REMOTE, _ANNOTATION = b"\x31", b"\x38", b"\x42", b"\x4a", b"\x52"
_TAG, _DEBUG, _SHARED = b"\x5a", b"\x60", b"\x68"
_CLIENT, _SERVER, _TRUE = b"\x01", b"\x02", b"\x01"
_SERVICE, _IPV4, _IPV6 = b"\x0a", b"\x12\x04", b"\x1a\x10"
_MOMENT, _VALUE = b"\x09", b"\x12"  # of an annotation; of a tag _VALUE, too
_KEY = b"\x0a"


def span_bytes(span: Span) -> bytes:
    """With tag and length: what stands one after another is a list."""
    parts = [_sized(_TRACE_ID, bytes.fromhex(span["traceId"]))]
    if "parentId" in span:
        parts.append(_sized(_PARENT_ID, bytes.fromhex(span["parentId"])))
    parts += (_sized(_ID, bytes.fromhex(span["id"])), _KIND, _CLIENT if span["kind"] == CLIENT else _SERVER)
    if "name" in span:
        parts.append(_text(_NAME, span["name"]))
    if "timestamp" in span:
        parts += (_TIMESTAMP, _moment(span["timestamp"]))
    if "duration" in span:
        parts += (_DURATION, _varint(span["duration"]))
    for field, name in ((_LOCAL, "localEndpoint"), (_REMOTE, "remoteEndpoint")):
        if name in span:
            parts += (field, _endpoint(span[name]))
    for each in span.get("annotations", ()):
        parts.append(_sized(_ANNOTATION, _MOMENT + _moment(each["timestamp"]) + _text(_VALUE, each["value"])))
    for name, value in span.get("tags", {}).items():
        parts.append(_sized(_TAG, _tag_name(name) + _text(_VALUE, value)))
    parts += [field + _TRUE for field, name in ((_DEBUG, "debug"), (_SHARED, "shared")) if name in span]
    return _sized(_SPANS, b"".join(parts))


def _endpoint(found: Endpoint) -> bytes:
    return _side(found.get("serviceName", ""), found.get("ipv4", ""), found.get("ipv6", ""))


@lru_cache(maxsize=MOST_REMEMBERED)
def _side(name: str, ipv4: str, ipv6: str) -> bytes:
    """Its length, and itself."""
    content = _text(_SERVICE, name) if name else b""
    if ipv4:
        content += _IPV4 + inet_pton(AF_INET, ipv4)
    if ipv6:
        content += _IPV6 + inet_pton(AF_INET6, ipv6)
    return _varint(len(content)) + content


@lru_cache(maxsize=MOST_REMEMBERED)
def _tag_name(name: str) -> bytes:
    """Names come from configuration, so they are few."""
    return _text(_KEY, name)


def _text(field: bytes, text: str) -> bytes:
    content = text.encode()
    return field + _varint(len(content)) + content


def _sized(field: bytes, content: bytes) -> bytes:
    return field + _varint(len(content)) + content


def _moment(microseconds: int) -> bytes:
    return microseconds.to_bytes(8, "little")


def _varint(number: int) -> bytes:
    if number < _FEW:
        return _SMALL[number]
    return _longer(number)


def _longer(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_FEW = 1024  # nearly all lengths
_SMALL = [_longer(number) for number in range(_FEW)]
