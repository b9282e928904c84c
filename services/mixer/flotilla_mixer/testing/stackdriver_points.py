"""What Cloud Monitoring checks of points that are written, in its words: of a test's own service."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3.types import metric_service
from google.rpc import status_pb2

from flotilla_mixer.testing.stackdriver_refusals import RESOURCES, Refusal

Kind, Type = MetricDescriptor.MetricKind, MetricDescriptor.ValueType
OWN = ("custom.googleapis.com/", "external.googleapis.com/", "workload.googleapis.com/")
MOST_SERIES, MOST_LABELS, LONGEST_LABEL, MOST_BUCKETS = 200, 30, 1024, 200
MILLISECOND, SECOND = 1_000_000, 1_000_000_000
FUTURE, PAST = 300 * SECOND, 25 * 3600 * SECOND
FIELDS = {
    Type.BOOL: "bool_value",
    Type.INT64: "int64_value",
    Type.DOUBLE: "double_value",
    Type.STRING: "string_value",
    Type.DISTRIBUTION: "distribution_value",
}
ORDER = "Points must be written in order. One or more of the points specified had an older end time than the most recent point."
FREQUENT = "One or more points were written more frequently than the maximum sampling period configured for the metric."
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")


@dataclass(slots=True)
class Written:
    """The last interval of a series (ns)."""

    start: int
    end: int


class PointService:
    """`series` are those that it took, in order, `descriptors` by type; those of Google's own metrics are there from the
    beginning. `sampling` is the shortest time between two points of a series, in seconds.
    """

    def __init__(self, sampling: float = 5.0, clock: Callable[[], int] = time.time_ns) -> None:
        self.series: list[Any] = []
        self.descriptors: dict[str, tuple[int, int, str]] = {
            "istio.io/service/server/request_count": (Kind.DELTA, Type.INT64, "1"),
            "istio.io/service/server/response_latencies": (Kind.DELTA, Type.DISTRIBUTION, "ms"),
        }
        self._sampling = int(sampling * SECOND)
        self._clock = clock
        self._last: dict[bytes, Written] = {}

    def write(self, request: Any) -> None:
        """Take what is right. Raises Refusal with what is not, as the service answers it: the rest is taken."""
        if not re.match(r"projects/[^/]+\Z", request.name):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"Name {request.name!r} must be in the form projects/ID.")
        if not 0 < len(request.time_series) <= MOST_SERIES:
            text = f"Field timeSeries had an invalid value: it must have 1 to {MOST_SERIES} elements."
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, text)
        wrong: dict[str, list[int]] = defaultdict(list)
        seen: set[bytes] = set()
        for place, series in enumerate(request.time_series):
            reason = self._fault(series, seen)
            if reason:
                wrong[reason].append(place)
            else:
                self._take(series)
        if wrong:
            raise _refusal(wrong, request)

    def _fault(self, series: Any, seen: set[bytes]) -> str:
        key = _key(series)
        duplicate = key in seen
        seen.add(key)
        if duplicate:
            return "Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request."
        faults = (*_labels(series), *self._descriptor(series), *_value(series))
        return next(iter(faults), "") or self._interval(series, key)

    def _descriptor(self, series: Any) -> Iterator[str]:
        metric_type = series.metric.type
        wanted = (series.metric_kind, series.value_type)
        if series.metric_kind == Kind.DELTA and metric_type.startswith(OWN):
            yield f"Metric kind for metric {metric_type} must be GAUGE or CUMULATIVE, but is DELTA."
        if series.value_type in (Type.BOOL, Type.STRING) and series.metric_kind != Kind.GAUGE:
            yield f"Value type for metric {metric_type} must be numeric."
        known = self.descriptors.get(metric_type)
        if known is None:
            if not metric_type.startswith(OWN):
                yield f"Unrecognized metric type: {metric_type}."
            self.descriptors[metric_type] = (*wanted, series.unit)
        elif known[:2] != wanted:
            yield f"Metric kind or value type for metric {metric_type} is not as its descriptor has it."

    def _interval(self, series: Any, key: bytes) -> str:
        if len(series.points) != 1:
            return "Field points had an invalid value: Exactly one point must be written."
        interval = series.points[0].interval
        start, end = interval.start_time.ToNanoseconds(), interval.end_time.ToNanoseconds()
        gauge = series.metric_kind == Kind.GAUGE
        now = self._clock()
        if gauge and interval.HasField("start_time") and start != end:
            return "The start time of a GAUGE must be its end time."
        if not gauge and start + MILLISECOND > end:
            return "The start time must be before the end time (by a millisecond) for a cumulative metric."
        if not now - PAST <= end <= now + FUTURE:
            return "Data points cannot be written more than 25h in the past, or 5 min in the future."
        return self._after(self._last.get(key), start, end, gauge)

    def _after(self, last: Written | None, start: int, end: int, gauge: bool) -> str:
        if last is None:
            return ""
        if end <= last.end:
            return ORDER
        if not gauge and start != last.start and start < last.end + MILLISECOND:
            return "New reset timestamp must not be older than existing end timestamp."
        return FREQUENT if end - last.end < self._sampling else ""

    def _take(self, series: Any) -> None:
        interval = series.points[0].interval
        self._last[_key(series)] = Written(interval.start_time.ToNanoseconds(), interval.end_time.ToNanoseconds())
        self.series.append(series)


def _key(series: Any) -> bytes:
    parts = (series.metric.type, sorted(series.metric.labels.items()), series.resource.type)
    return repr((parts, sorted(series.resource.labels.items()))).encode()


def _labels(series: Any) -> Iterator[str]:
    labels, resource = series.metric.labels, series.resource
    if len(labels) > MOST_LABELS:
        yield f"The metric has {len(labels)} labels, and at most {MOST_LABELS} are allowed."
    for name, value in labels.items():
        if not _LABEL.match(name) or len(value) > LONGEST_LABEL:
            yield f"The label {name} of the metric is not valid."
    wanted = RESOURCES.get(resource.type)
    if wanted is None:
        yield f"Unrecognized resource type {resource.type!r}."
    elif set(resource.labels) - wanted or not all(resource.labels.values()):
        yield f"The labels of resource {resource.type} are not those of its type: {sorted(wanted)}."


def _value(series: Any) -> Iterator[str]:
    for point in series.points:
        field = point.value.WhichOneof("value")
        if field != FIELDS.get(series.value_type):
            yield "The value of the point is not of the value type."
        elif field == "distribution_value":
            yield from _distribution(point.value.distribution_value)


def _distribution(found: Any) -> Iterator[str]:
    name = found.bucket_options.WhichOneof("options")
    if name is None:
        yield "A distribution needs bucket options."
        return
    options = getattr(found.bucket_options, name)
    number = len(options.bounds) + 1 if name == "explicit_buckets" else options.num_finite_buckets + 2
    if not 1 < number <= MOST_BUCKETS or len(found.bucket_counts) > number:
        yield f"A distribution of {number} buckets cannot have {len(found.bucket_counts)} counts."
    if sum(found.bucket_counts) != found.count:
        yield "The bucket counts of a distribution do not add up to its count."
    if found.sum_of_squared_deviation < 0 or (not found.count and found.mean):
        yield "The mean and deviation of a distribution are not possible."


def _refusal(wrong: dict[str, list[int]], request: Any) -> Refusal:
    """The answer, with its summary of how many points were and were not written."""
    number = sum(map(len, wrong.values()))
    summary = metric_service.CreateTimeSeriesSummary.pb()(
        total_point_count=len(request.time_series), success_point_count=len(request.time_series) - number
    )
    for reason, places in wrong.items():
        error = summary.errors.add(point_count=len(places))
        error.status.CopyFrom(status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message=reason))
    said = "; ".join(f"{reason}: {_named(places, request)}" for reason, places in wrong.items())
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"One or more TimeSeries could not be written: {said}", summary)


def _named(places: Sequence[int], request: Any) -> str:
    if len(places) == 1:
        series = request.time_series[places[0]]
        return f"{series.resource.type}{{}} timeSeries[{places[0]}]: {series.metric.type}{{}}"
    return f"timeSeries[{','.join(_ranges(places))}]"


def _ranges(places: Sequence[int]) -> Iterator[str]:
    first = last = places[0]
    for place in (*places[1:], None):
        if place == last + 1:
            last = place
            continue
        yield f"{first}-{last}" if last > first else str(first)
        if place is not None:
            first = last = place
