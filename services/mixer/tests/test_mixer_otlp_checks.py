"""The collector of tests is strict: each message that breaks the protocol is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.otlp.requests import LOGS, METRICS, TRACES, Signal
from flotilla_mixer.testing.otlp_checks import StreamChecks

SIGNALS = {"metrics": METRICS, "logs": LOGS, "spans": TRACES}
PLACES = {
    "metrics": ("resourceMetrics", "scopeMetrics"),
    "logs": ("resourceLogs", "scopeLogs"),
    "spans": ("resourceSpans", "scopeSpans"),
}
TRACE, SPAN = b"\1" * 16, b"\2" * 8
KEY = {"key": "a", "value": {"stringValue": "x"}}


def request(kind: str, *entries: dict[str, Any], name: str = "mesh", scope: str = "s") -> Any:
    outer, inner = PLACES[kind]
    items = {"metrics": "metrics", "logs": "logRecords", "spans": "spans"}[kind]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": name}}] if name else []}
    tree = {outer: [{"resource": resource, inner: [{"scope": {"name": scope}, items: list(entries)}]}]}
    return json_format.ParseDict(tree, SIGNALS[kind].request())


def said(kind: str, *requests: Any) -> str:
    checks = StreamChecks()
    signal: Signal = SIGNALS[kind]
    return "; ".join(wrong for each in requests for wrong in checks.request(signal.path, each))


def point(start: int = 1, time: int = 2, **changes: Any) -> dict[str, Any]:
    return {"startTimeUnixNano": start, "timeUnixNano": time, "asInt": 1, "attributes": [KEY]} | changes


def number(*points: dict[str, Any], kind: str = "sum", temporality: int = 2, **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"dataPoints": list(points)}
    if kind != "gauge":
        data["aggregationTemporality"] = temporality
    if kind == "sum":
        data["isMonotonic"] = True
    return {"name": "m", kind: data} | changes


BUCKETS = {
    "count": 3,
    "sum": 6,
    "min": 1,
    "max": 3,
    "bucketCounts": [1, 2],
    "explicitBounds": [1.5],
    "attributes": [KEY],
}
SCALED = {"count": 3, "sum": 6, "scale": 2, "zeroCount": 1, "positive": {"offset": 0, "bucketCounts": [2]}}


def histogram(**changes: Any) -> dict[str, Any]:
    found = {"startTimeUnixNano": 1, "timeUnixNano": 2, **BUCKETS, **changes}
    return number(found, kind="histogram")


def exponential(**changes: Any) -> dict[str, Any]:
    return number({"startTimeUnixNano": 1, "timeUnixNano": 2, **SCALED, **changes}, kind="exponentialHistogram")


RIGHT = [
    ("metrics", number(point())),
    ("metrics", number(point(), kind="gauge")),
    ("metrics", histogram()),
    ("metrics", exponential()),
    ("metrics", number({"startTimeUnixNano": 1, "timeUnixNano": 2, "flags": 1})),
    ("logs", {"observedTimeUnixNano": 1}),
    ("spans", {"name": "n", "kind": 2, "startTimeUnixNano": 1, "endTimeUnixNano": 1}),
]


@pytest.mark.parametrize(("kind", "entry"), RIGHT)
def test_what_is_right(kind: str, entry: dict[str, Any]) -> None:
    found = request(kind, entry)
    if kind == "spans":
        span = found.resource_spans[0].scope_spans[0].spans[0]
        span.trace_id, span.span_id = TRACE, SPAN
    assert said(kind, found) == ""


WRONG_METRICS = [
    (number(point(), name="1st"), "no name of a metric"),
    ({"name": "m"}, "m has no data"),
    (number(), "m has no points"),
    (number(point(), temporality=0), "no temporality"),
    (number(point(), point()), "two points of the same attributes"),
    (number(point(attributes=[KEY, KEY])), "is there twice"),
    (number(point(attributes=[{"key": "a"}])), "the attribute a has no value"),
    (number(point(attributes=[{"key": "", "value": {"intValue": 1}}])), "has no key"),
    (number(point(time=0)), "a point has no time"),
    (number(point(start=0)), "a point is from 0 to 2"),
    (number(point(start=3)), "a point is from 3 to 2"),
    (number({"startTimeUnixNano": 1, "timeUnixNano": 2}), "a point has no value"),
    (number(point(asDouble="NaN") | {"asInt": None}), "no number"),
    (histogram(bucketCounts=[1, 1, 1]), "1 bounds do not fit 3 buckets"),
    (histogram(bucketCounts=[1, 1]), "the buckets have 2 values, and there are 3"),
    (histogram(explicitBounds=[2, 1], bucketCounts=[1, 1, 1]), "do not grow"),
    (histogram(min=4), "least value 4.0 is above the most"),
    (histogram(sum=100), "do not add up to 100"),
    (histogram(min=1.7, bucketCounts=[1, 2]), "1.7 is not in the bucket"),
    (histogram(count=0, bucketCounts=[0, 0]), "no values add up to something"),
    (exponential(zeroCount=0), "the buckets have 2 values, and there are 3"),
    (exponential(scale=21), "21 is no scale"),
]


@pytest.mark.parametrize(("entry", "text"), WRONG_METRICS)
def test_wrong_metrics(entry: dict[str, Any], text: str) -> None:
    assert text in said("metrics", request("metrics", entry))


FOLLOWING = [
    (number(point()), number(point()), "not after that of the one before"),
    (number(point(asInt=5)), number(point(time=3, asInt=4)), "what only grows fell from 5.0 to 4.0"),
    (number(point(time=9)), number(point(start=5, time=10)), "began anew before its last point"),
    (
        number(point(), temporality=1),
        number(point(time=3), temporality=1),
        "a delta begins before the one before ended",
    ),
    (number(point()), number(point(time=3), unit="s"), "and was"),
    (number(point()), number(point(time=3), temporality=1), "and was"),
]


@pytest.mark.parametrize(("first", "second", "text"), FOLLOWING)
def test_points_that_do_not_follow(first: dict[str, Any], second: dict[str, Any], text: str) -> None:
    assert text in said("metrics", request("metrics", first), request("metrics", second))


def test_points_that_follow() -> None:
    steps = [
        number(point()),
        number(point(time=3)),
        number(point(start=3, time=4, asInt=0)),
        number(point(3, 5, asInt=7)),
    ]
    assert said("metrics", *(request("metrics", each) for each in steps)) == ""
    deltas = [number(point(), temporality=1), number(point(start=2, time=3, asInt=0), temporality=1)]
    assert said("metrics", *(request("metrics", each) for each in deltas)) == ""
    assert said("metrics", request("metrics", number(point())), request("metrics", number(point()), name="other")) == ""


WRONG_LOGS: list[tuple[Callable[[Any], None], str]] = [
    (lambda r: r.ClearField("observed_time_unix_nano"), "observed at no time"),
    (lambda r: setattr(r, "severity_number", 25), "25 is no severity"),
    (lambda r: setattr(r, "trace_id", TRACE[1:]), "is no id of a trace"),
    (lambda r: setattr(r, "trace_id", bytes(16)), "is no id of a trace"),
    (lambda r: setattr(r, "span_id", SPAN), "has a span and no trace"),
    (lambda r: setattr(r, "flags", 0x100), "flags that nobody knows: 100"),
]


@pytest.mark.parametrize(("change", "text"), WRONG_LOGS)
def test_wrong_log_records(change: Callable[[Any], None], text: str) -> None:
    found = request("logs", {"observedTimeUnixNano": 1})
    change(found.resource_logs[0].scope_logs[0].log_records[0])
    assert text in said("logs", found)


WRONG_SPANS: list[tuple[Callable[[Any], None], str]] = [
    (lambda s: s.ClearField("trace_id"), "'' is no id of a trace"),
    (lambda s: s.ClearField("span_id"), "'' is no id of a span"),
    (lambda s: setattr(s, "parent_span_id", b"\1"), "'01' is no id of a parent"),
    (lambda s: setattr(s, "parent_span_id", SPAN), "its own parent"),
    (lambda s: s.ClearField("name"), "has no name"),
    (lambda s: s.ClearField("kind"), "0 is no kind"),
    (lambda s: setattr(s, "end_time_unix_nano", 0), "a span is from 1 to 0"),
    (lambda s: setattr(s, "flags", 0x400), "flags that nobody knows: 400"),
]


@pytest.mark.parametrize(("change", "text"), WRONG_SPANS)
def test_wrong_spans(change: Callable[[Any], None], text: str) -> None:
    found = request("spans", {"name": "n", "kind": 2, "startTimeUnixNano": 1, "endTimeUnixNano": 1})
    span = found.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.span_id = TRACE, SPAN
    change(span)
    assert text in said("spans", found)


def test_wrong_envelopes() -> None:
    entry = {"observedTimeUnixNano": 1}
    assert "the request is empty" in said("logs", LOGS.request())
    assert "no service.name" in said("logs", request("logs", entry, name=""))
    assert "a scope has no name" in said("logs", request("logs", entry, scope=""))
    assert "a scope is empty" in said("logs", request("logs"))
    unknown = LOGS.request.FromString(request("logs", entry).SerializeToString() + b"\x7a\x01x")
    assert "fields that nobody knows: [15]" in said("logs", unknown)
