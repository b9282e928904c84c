"""The reader that payloads are held to refuses what Zipkin's schema does not allow."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from flotilla_mixer.testing.zipkin_spans import JSON, PROTO, read_spans
from flotilla_protos.zipkin.zipkin_pb2 import ListOfSpans, Span

TRACE, SPAN = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"
IDS = {"traceId": TRACE, "id": SPAN}

WRONG: list[dict[str, Any]] = [
    {"id": SPAN},
    {"traceId": TRACE},
    IDS | {"traceId": TRACE.upper()},
    IDS | {"traceId": TRACE[:-1]},
    IDS | {"traceId": "0" * 32},
    IDS | {"id": "0" * 16},
    IDS | {"id": SPAN[:-1]},
    IDS | {"parentId": SPAN},
    IDS | {"parentId": ""},
    IDS | {"kind": "client"},
    IDS | {"name": ""},
    IDS | {"name": 7},
    IDS | {"timestamp": 0},
    IDS | {"timestamp": -1},
    IDS | {"timestamp": 1.5},
    IDS | {"timestamp": "1"},
    IDS | {"timestamp": 2**63},
    IDS | {"duration": 0},
    IDS | {"localEndpoint": {}},
    IDS | {"localEndpoint": {"service": "a"}},
    IDS | {"localEndpoint": {"ipv4": "::1"}},
    IDS | {"localEndpoint": {"ipv6": "::0001"}},
    IDS | {"annotations": [{"value": "x"}]},
    IDS | {"annotations": [{"timestamp": 1, "value": 2}]},
    IDS | {"tags": {"a": 1}},
    IDS | {"shared": False},
    IDS | {"debug": "true"},
    IDS | {"more": 1},
]


@pytest.mark.parametrize("span", WRONG, ids=str)
def test_what_is_no_span_is_refused(span: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"of \{|Expected 4 octets|At least"):
        read_spans(json.dumps([span]).encode(), JSON)


BODIES = [
    (b"", JSON),
    (b"{}x", JSON),
    (b'[{"traceId":"\xff"}]', JSON),
    (b'[{"timestamp":NaN}]', JSON),
    (b"[]", "text/plain"),
    (ListOfSpans(spans=[Span(id=bytes(7) + b"\x01")]).SerializeToString(), PROTO),
    (ListOfSpans(spans=[Span(id=b"\x01", trace_id=bytes(15) + b"\x01")]).SerializeToString(), PROTO),
]


@pytest.mark.parametrize(("body", "kind"), BODIES)
def test_what_is_no_list_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises((ValueError, DecodeError)):
        read_spans(body, kind)


def test_what_is_right_is_read_from_either_form() -> None:
    message = Span(trace_id=bytes.fromhex(TRACE), id=bytes.fromhex(SPAN), shared=True)
    packed = ListOfSpans(spans=[message]).SerializeToString()
    plain = json.dumps([IDS | {"shared": True}]).encode()
    assert read_spans(packed, PROTO) == read_spans(gzip.compress(plain), JSON, "gzip") == [IDS | {"shared": True}]
