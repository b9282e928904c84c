"""The zipkin adapter: its spans as bytes, for every kind of row, and what a strict reader makes of any row.

The golden pairs are in golden/zipkin.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.zipkin.encoding import JSON, PROTO
from flotilla_mixer.adapters.zipkin.outcomes import outcome_of
from flotilla_mixer.adapters.zipkin.spans import UNSAMPLED, UNTRACED, Manner, span_of
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.zipkin_spans import read_spans
from flotilla_shared.model.expressions import Duration, Timestamp

GOLDEN = Path(__file__).parent / "golden" / "zipkin.json"
SPEC = sample_spec(TRACE_SPAN, ("http.method", "http.path"))
ALL = Manner(1.0, shared=False, longest_tag=1024)
TRACE, SPAN, PARENT = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"
START, END = Timestamp(1_136_239_444_900_000_000), Timestamp(1_136_239_445_000_000_000)
V4, V6, MAPPED = bytes([10, 0, 0, 1]), bytes([0xFD] + [0] * 14 + [9]), bytes([0] * 10 + [255, 255, 10, 0, 0, 2])
USUAL: Mapping[str, Any] = {
    "trace_id": TRACE,
    "span_id": SPAN,
    "parent_span_id": PARENT,
    "span_name": "GET",
    "start_time": START,
    "end_time": END,
    "http_status_code": 200,
    "client_span": False,
    "source_name": "reviews-v2",
    "source_ip": V4,
    "destination_name": "ratings-v1",
    "destination_ip": MAPPED,
    "request_total_size": 128,
    "response_total_size": 512,
}


def row(tags: tuple[Any, ...] = ("GET", "/ratings/0"), **changes: Any) -> tuple[Any, ...]:
    values = {**USUAL, **changes}
    return (*(values.get(name) for name in TRACE_SPAN.fields), tags)


def ids(**changes: Any) -> dict[str, Any]:
    """A row of ids alone."""
    return dict.fromkeys(USUAL) | {"trace_id": TRACE, "span_id": SPAN} | changes


# name -> row, and the manner if it is not the usual
CASES: dict[str, tuple[tuple[Any, ...], Manner]] = {
    "server": (row(), ALL),
    "client": (row(client_span=True), ALL),
    "server, rewritten": (row(rewrite_client_span_id=True), ALL),
    "client, rewritten": (row(client_span=True, rewrite_client_span_id=True), ALL),
    "server, shared": (row(), Manner(1.0, shared=True, longest_tag=1024)),
    "client, shared": (row(client_span=True), Manner(1.0, shared=True, longest_tag=1024)),
    "server, shared and rewritten": (row(rewrite_client_span_id=True), Manner(1.0, shared=True, longest_tag=1024)),
    "short trace id": (row(trace_id=TRACE[16:]), ALL),
    "one b3 header, debug": (row(trace_id=f"{TRACE}-{SPAN}-d-{PARENT}", span_id="", parent_span_id=""), ALL),
    "traceparent": (row(trace_id=f"00-{TRACE}-{SPAN}-01", span_id="", parent_span_id=""), ALL),
    "parent of itself": (row(parent_span_id=SPAN), ALL),
    "IPv6": (row(source_ip=V6, destination_ip=V6), ALL),
    "no addresses": (row(source_ip=bytes(4), destination_ip=None), ALL),
    "no addresses but zero": (row(source_ip=bytes(16), destination_ip=bytes([*[0] * 10, 255, 255, 0, 0, 0, 0])), ALL),
    "no names": (row(source_name="", destination_name=""), ALL),
    "no other side": (row(source_name="", source_ip=None), ALL),
    "not found": (row(http_status_code=404), ALL),
    "no status": (row(http_status_code=0), ALL),
    "tag of the status": (
        row(("418",), http_status_code=200),
        ALL,
    ),
    "shorter than a microsecond": (row(end_time=Timestamp(START + 1)), ALL),
    "to the nearest": (row(start_time=Timestamp(START + 500), end_time=Timestamp(END + 1999)), ALL),
    "ended before it began": (row(start_time=END, end_time=START), ALL),
    "no times": (row(start_time=None, end_time=None), ALL),
    "before 1970": (row(start_time=Timestamp(-1), end_time=Timestamp(0)), ALL),
    "ids alone": (row((None, ""), **ids()), ALL),
    "values of every kind": (row((Duration(90_000_000_000), 1.5)), ALL),
    "other values": (row((True, {"b": "2", "a": "1"})), ALL),
    "long and odd texts": (row(("x" * 50, "é\ud800\x00"), span_name="n" * 300), Manner(1.0, False, longest_tag=10)),
}
STATUS_TAG = sample_spec(TRACE_SPAN, ("http.status_code",))


def made(name: str) -> dict[str, str]:
    given, manner = CASES[name]
    spec = STATUS_TAG if name == "tag of the status" else SPEC
    span = span_of(spec, given, manner)
    assert isinstance(span, dict)
    body, packed = JSON.many([JSON.one(span)]), PROTO.many([PROTO.one(span)])
    assert read_spans(body, JSON.content_type) == read_spans(packed, PROTO.content_type) == [json.loads(body)[0]]
    return {"json": body.decode(), "proto": packed.hex()}


def test_golden_payloads() -> None:
    found = {name: made(name) for name in CASES}
    hold_to(GOLDEN, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


NO_SPANS = [
    (row(trace_id=""), 1.0, UNTRACED),
    (row(span_id=""), 1.0, UNTRACED),
    (row(trace_id="no id"), 1.0, UNTRACED),
    (row(trace_id=None), 1.0, UNTRACED),
    (row(), 0.0, UNSAMPLED),
    (row(trace_id="f" * 32), 0.9, UNSAMPLED),
    (row(trace_id=f"{TRACE}-{SPAN}-0"), 1.0, UNSAMPLED),
    (row(trace_id=f"00-{TRACE}-{SPAN}-00"), 1.0, UNSAMPLED),
    (row(trace_id=f"{TRACE}-{SPAN}-d"), 0.0, UNSAMPLED),
]


@pytest.mark.parametrize(("given", "probability", "expected"), NO_SPANS)
def test_rows_that_are_no_spans(given: tuple[Any, ...], probability: float, expected: str) -> None:
    assert span_of(SPEC, given, Manner(probability, shared=False, longest_tag=10)) == expected


def test_a_caller_who_wants_a_trace_gets_it_beside_a_share() -> None:
    wanted = row(trace_id=f"{'f' * 32}-{SPAN}-1")
    assert isinstance(span_of(SPEC, wanted, Manner(0.001, shared=False, longest_tag=10)), dict)


def test_a_row_with_too_few_tags_does_not_fit() -> None:
    with pytest.raises(ValueError, match="zip"):
        span_of(SPEC, row(("GET",)), ALL)


OUTCOMES = [
    (100, "UNKNOWN"),
    (200, "OK"),
    (204, "OK"),
    (302, "OK"),
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (418, "UNKNOWN"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "UNKNOWN"),
    (501, "UNIMPLEMENTED"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
]


@pytest.mark.parametrize(("status", "expected"), OUTCOMES)
def test_outcomes(status: int, expected: str) -> None:
    assert outcome_of(status) == expected


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=30),
    st.binary(max_size=20),
    st.integers().map(Timestamp),
    st.integers().map(Duration),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:x}")
FIELDS = st.fixed_dictionaries(
    {}, optional={name: ANYTHING for name in TRACE_SPAN.fields if name not in ("trace_id", "span_id")}
)


@given(FIELDS, st.tuples(ANYTHING, ANYTHING), IDS, IDS, st.booleans(), st.booleans())
def test_whatever_attributes_are_a_strict_reader_takes_the_payload(
    fields: dict[str, Any], tags: tuple[Any, Any], trace: str, span: str, client: bool, shared: bool
) -> None:
    changes = {"client_span": client, **fields, "trace_id": trace, "span_id": span[:16]}
    found = span_of(SPEC, row(tags, **changes), Manner(1.0, shared=shared, longest_tag=20))
    if isinstance(found, str):
        assert found == UNTRACED
        return
    plain = read_spans(JSON.many([JSON.one(found)]), JSON.content_type)
    assert plain == read_spans(PROTO.many([PROTO.one(found)]), PROTO.content_type)
    assert plain == [orjson.loads(orjson.dumps(found))]


@given(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=20))
def test_batches_hold_every_span_in_order(numbers: list[int]) -> None:
    spans = [span_of(SPEC, row(span_id=f"{number:x}"), ALL) for number in numbers]
    for encoding in (JSON, PROTO):
        body = encoding.many([encoding.one(span) for span in spans if isinstance(span, dict)])
        assert [int(each["id"], 16) for each in read_spans(body, encoding.content_type)] == numbers


def test_names_are_cut_before_anything_of_them_is_kept() -> None:
    found = span_of(SPEC, row(source_name="é" * 100_000, destination_name="n" * 300), ALL)
    assert isinstance(found, dict)
    assert [len(found[end]["serviceName"]) for end in ("localEndpoint", "remoteEndpoint")] == [256, 256]
