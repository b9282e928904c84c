"""OpenTelemetry's protocol, read strictly: what a collector and the backends behind it rely on.

A message is wrong if it breaks a MUST of the protocol's or the data models' specifications, or a SHOULD that every SDK
keeps: ids of the right length and not all zero, times that are set and in order, attributes that are set and there once, buckets
that fit their bounds and counts, and streams whose points follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from math import inf, isnan
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

METRIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}\Z")
DELTA, CUMULATIVE = 1, 2
NO_RECORDED_VALUE = 1
KNOWN_SPAN_FLAGS = 0x3FF
KNOWN_RECORD_FLAGS = 0xFF
MOST_SEVERITY = 24
Wrongs = Iterator[str]


class StreamChecks:
    """What is wrong with requests, in the order in which they came: points are held against those before."""

    def __init__(self) -> None:
        self._shapes: dict[Any, Any] = {}
        self._points: dict[Any, Any] = {}

    def forget(self) -> None:
        """What comes is of another sender."""
        self._shapes.clear()
        self._points.clear()

    def request(self, path: str, request: Any) -> list[str]:
        """`path` is the signal's, as HTTP has it."""
        checks: dict[str, Callable[[Any, bytes], Wrongs]] = {
            "/v1/metrics": self._metrics,
            "/v1/logs": lambda found, _: _each(found.log_records, log_record),
            "/v1/traces": lambda found, _: _each(found.spans, span),
        }
        return [*unknown_fields(request), *_resources(request, checks[path])]

    def _metrics(self, scope: Any, resource: bytes) -> Wrongs:
        for metric in scope.metrics:
            yield from _metric(metric)
            yield from self._follows(metric, resource + scope.scope.SerializeToString(deterministic=True))

    def _follows(self, metric: Any, place: bytes) -> Wrongs:
        """One shape for each name, and points in order."""
        kind = metric.WhichOneof("data")
        if kind is None:
            return
        data = getattr(metric, kind)
        temporality = 0 if kind == "gauge" else data.aggregation_temporality
        shape = (metric.unit, metric.description, kind, temporality, getattr(data, "is_monotonic", None))
        if self._shapes.setdefault((place, metric.name), shape) != shape:
            yield f"{metric.name} is {shape} and was {self._shapes[place, metric.name]}"
        for point in data.data_points:
            key = (place, metric.name, tuple(each.SerializeToString(deterministic=True) for each in point.attributes))
            before, self._points[key] = self._points.get(key), point
            if before is not None:
                yield from _next_point(metric.name, before, point, shape)


def _next_point(name: str, before: Any, point: Any, shape: tuple[Any, ...]) -> Wrongs:
    *_, kind, temporality, monotonic = shape
    if point.time_unix_nano <= before.time_unix_nano:
        yield f"{name}: the time of a point is not after that of the one before"
    if kind == "gauge":
        return
    if temporality == DELTA and point.start_time_unix_nano < before.time_unix_nano:
        yield f"{name}: a delta begins before the one before ended"
    if temporality == CUMULATIVE and point.start_time_unix_nano != before.start_time_unix_nano:
        if point.start_time_unix_nano < before.time_unix_nano:
            yield f"{name}: it began anew before its last point"
    elif temporality == CUMULATIVE and not (point.flags | before.flags) & NO_RECORDED_VALUE:
        low, high = (_size(each) for each in (before, point))
        if high < low and (monotonic or kind != "sum"):
            yield f"{name}: what only grows fell from {low} to {high}"


def _size(point: Any) -> float:
    if "count" in point.DESCRIPTOR.fields_by_name:
        return float(point.count)
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)


def unknown_fields(message: Any) -> Wrongs:
    """Of a message and all that are in it."""
    unknown: Any = UnknownFieldSet(message)
    if len(unknown):
        numbers = [field.field_number for field in unknown]
        yield f"{message.DESCRIPTOR.name} has fields that nobody knows: {numbers}"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if field.is_repeated else (value,):
                yield from unknown_fields(each)


def _each(messages: Iterable[Any], check: Callable[[Any], Wrongs]) -> Wrongs:
    for message in messages:
        yield from check(message)


def _resources(request: Any, check: Callable[[Any, bytes], Wrongs]) -> Wrongs:
    """`check` gets a scope and the resource that it is in."""
    resources = next((value for _, value in request.ListFields()), ())
    if not resources:
        yield "the request is empty"
    for each in resources:
        yield from attributes(each.resource.attributes, "resource")
        if "service.name" not in {pair.key for pair in each.resource.attributes}:
            yield "a resource has no service.name"
        found = each.resource.SerializeToString(deterministic=True)
        for field, value in each.ListFields():
            if field.name.startswith("scope_"):
                for scope in value:
                    yield from _scope(scope)
                    yield from check(scope, found)


def _scope(scope: Any) -> Wrongs:
    if not scope.scope.name:
        yield "a scope has no name"
    if not any(field.is_repeated for field, _ in scope.ListFields()):
        yield "a scope is empty"


def attributes(pairs: Any, where: str) -> Wrongs:
    keys = [pair.key for pair in pairs]
    if "" in keys:
        yield f"{where}: an attribute has no key"
    if len(set(keys)) < len(keys):
        yield f"{where}: an attribute is there twice: {sorted(keys)}"
    for pair in pairs:
        if pair.value.WhichOneof("value") is None:
            yield f"{where}: the attribute {pair.key} has no value"
        elif pair.value.HasField("kvlist_value"):
            yield from attributes(pair.value.kvlist_value.values, f"{where}: {pair.key}")


def _id(content: bytes, size: int, what: str, *, optional: bool = True) -> Wrongs:
    if not content and optional:
        return
    if len(content) != size or not any(content):
        yield f"{content.hex()!r} is no id of a {what}"


def log_record(record: Any) -> Wrongs:
    yield from attributes(record.attributes, "log record")
    yield from _id(record.trace_id, 16, "trace")
    yield from _id(record.span_id, 8, "span")
    if record.span_id and not record.trace_id:
        yield "a log record has a span and no trace"
    if not record.observed_time_unix_nano:
        yield "a log record was observed at no time"
    if not 0 <= record.severity_number <= MOST_SEVERITY:
        yield f"{record.severity_number} is no severity"
    if record.flags & ~KNOWN_RECORD_FLAGS:
        yield f"a log record has flags that nobody knows: {record.flags:x}"


def span(found: Any) -> Wrongs:
    yield from attributes(found.attributes, "span")
    yield from _id(found.trace_id, 16, "trace", optional=False)
    yield from _id(found.span_id, 8, "span", optional=False)
    yield from _id(found.parent_span_id, 8, "parent")
    if found.parent_span_id == found.span_id:
        yield "a span is its own parent"
    if not found.name:
        yield "a span has no name"
    if found.kind == 0 or found.kind > 5:
        yield f"{found.kind} is no kind of a span"
    if not 0 < found.start_time_unix_nano <= found.end_time_unix_nano:
        yield f"a span is from {found.start_time_unix_nano} to {found.end_time_unix_nano}"
    if found.flags & ~KNOWN_SPAN_FLAGS:
        yield f"a span has flags that nobody knows: {found.flags:x}"
    if not 0 <= found.status.code <= 2:
        yield f"{found.status.code} is no status of a span"


def _metric(metric: Any) -> Wrongs:
    kind = metric.WhichOneof("data")
    if not METRIC_NAME.match(metric.name):
        yield f"{metric.name!r} is no name of a metric"
    if kind is None:
        yield f"{metric.name} has no data"
        return
    data = getattr(metric, kind)
    if not data.data_points:
        yield f"{metric.name} has no points"
    if kind != "gauge" and data.aggregation_temporality not in (DELTA, CUMULATIVE):
        yield f"{metric.name} has no temporality"
    keys = [tuple(sorted(each.SerializeToString() for each in point.attributes)) for point in data.data_points]
    if len(set(keys)) < len(keys):
        yield f"{metric.name} has two points of the same attributes"
    for point in data.data_points:
        yield from (f"{metric.name}: {wrong}" for wrong in _point(point, kind))


def _point(point: Any, kind: str) -> Wrongs:
    yield from attributes(point.attributes, "point")
    if not point.time_unix_nano:
        yield "a point has no time"
    if kind != "gauge" and not 0 < point.start_time_unix_nano <= point.time_unix_nano:
        yield f"a point is from {point.start_time_unix_nano} to {point.time_unix_nano}"
    if not point.flags & NO_RECORDED_VALUE:
        yield from _VALUES[kind](point)


def _number(point: Any) -> Wrongs:
    if point.WhichOneof("value") is None:
        yield "a point has no value"
    elif isnan(point.as_double):
        yield "a point is no number"


def _extremes(point: Any, *, may_have_sum: bool) -> Wrongs:
    """The least and most of a histogram, where they are told."""
    if point.HasField("min") and point.HasField("max"):
        if point.min > point.max:
            yield f"the least value {point.min} is above the most, {point.max}"
        if point.HasField("sum") and may_have_sum and point.count:
            slack = 1e-9 * max(abs(point.min), abs(point.max)) * point.count
            if not point.min * point.count - slack <= point.sum <= point.max * point.count + slack:
                yield f"{point.count} values from {point.min} to {point.max} do not add up to {point.sum}"
    if not point.count and point.sum:
        yield "no values add up to something"


def _histogram(point: Any) -> Wrongs:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if counts and len(counts) != len(bounds) + 1:
        yield f"{len(bounds)} bounds do not fit {len(counts)} buckets"
        return
    if sum(counts) != point.count:
        yield f"the buckets have {sum(counts)} values, and there are {point.count}"
    if any(not low < high for low, high in pairwise(bounds)):
        yield f"the bounds {bounds} do not grow"
    yield from _extremes(point, may_have_sum=True)
    used = [place for place, count in enumerate(counts) if count]
    if used and point.HasField("min") and point.HasField("max"):
        edges = [-inf, *bounds, inf]
        for value, place in ((point.min, used[0]), (point.max, used[-1])):
            if not edges[place] <= value <= edges[place + 1]:
                yield f"{value} is not in the bucket from {edges[place]} to {edges[place + 1]}"


def _exponential(point: Any) -> Wrongs:
    counted = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts) + point.zero_count
    if counted != point.count:
        yield f"the buckets have {counted} values, and there are {point.count}"
    if not -11 <= point.scale <= 20:
        yield f"{point.scale} is no scale"
    yield from _extremes(point, may_have_sum=True)


_VALUES: dict[str, Callable[[Any], Wrongs]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
}
