"""A metric as it is configured, and its label sets: OpenTelemetry's streams of data points.

With cumulative temporality a point says what was added since its label set began; with delta since the point before that was
taken. A label set that is forgotten and comes again begins anew, with a later start time: that is how readers know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flotilla_mixer.adapters.otlp.attributes import fit_text
from flotilla_mixer.adapters.otlp.exponential import MAX_SIZE, Exponential
from flotilla_mixer.adapters.otlp.sums import Buckets, Last, Sum, Total
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params
from flotilla_protos.flotilla.opentelemetry.encoded_pb2 import EncodedMetric, EncodedPoints
from flotilla_protos.flotilla.opentelemetry.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)
from flotilla_shared.model.expressions import ValueType

# As OpenTelemetry's SDKs have them, of numbers of any unit; and its semantic conventions, of seconds.
DEFAULT_BOUNDS = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
SECOND_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
NO_RECORDED_VALUE = 1  # DataPointFlags
# About how long a point is; a bucket is two fixed numbers, or one that is mostly short.
POINT_BYTES, BUCKET_BYTES, SCALED_BUCKET_BYTES = 60, 16, 3


class Form(NamedTuple):
    """What a kind of metric is: its point, and the field of Metric that it is in. `delta`: its temporality may be that; as of
    OpenTelemetry's exporters, what may fall is told as a whole.
    """

    point: Any
    field: str
    monotonic: bool = False
    temporal: bool = True
    delta: bool = True
    falls: bool = True  # takes values below zero


FORMS = {
    Params.SUM: Form(NumberDataPoint, "sum", monotonic=True, falls=False),
    Params.UP_DOWN_SUM: Form(NumberDataPoint, "sum", delta=False),
    Params.GAUGE: Form(NumberDataPoint, "gauge", temporal=False, delta=False),
    Params.HISTOGRAM: Form(HistogramDataPoint, "histogram"),
    Params.EXPONENTIAL_HISTOGRAM: Form(ExponentialHistogramDataPoint, "exponential_histogram"),
}


class Stream:
    """One metric. `new` gives what an empty label set adds up to."""

    def __init__(self, spec: InstanceSpec, info: Any, *, delta: bool) -> None:
        self.name = metric_name(spec.name, info)
        self.form = FORMS[info.kind]
        self.delta = delta and self.form.delta
        self._unit = info.unit or ("s" if spec.types.get("value") is ValueType.DURATION else "")
        self._description = fit_text(info.description)
        self.new, more = _sums_of(spec, info)
        self.point_bytes = POINT_BYTES + more

    def metric(self, points: Sequence[bytes]) -> bytes:
        """A Metric with these points."""
        data = EncodedPoints(data_points=points, is_monotonic=self.form.monotonic)
        if self.form.temporal:
            data.aggregation_temporality = (
                AGGREGATION_TEMPORALITY_DELTA if self.delta else AGGREGATION_TEMPORALITY_CUMULATIVE
            )
        metric = EncodedMetric(name=self.name, unit=self._unit, description=self._description)
        getattr(metric, self.form.field).CopyFrom(data)
        return metric.SerializeToString()


def metric_name(instance: str, info: Any) -> str:
    """The instance's own name where none is given: `requestcount` of `requestcount.instance.istio-system`."""
    name: str = info.name or instance.partition(".")[0]
    return name


def bounds_of(spec: InstanceSpec, info: Any) -> tuple[float, ...]:
    """The upper bounds of a histogram's buckets, without the infinite one."""
    if info.bounds:
        return tuple(info.bounds)
    return SECOND_BOUNDS if spec.types.get("value") is ValueType.DURATION else DEFAULT_BOUNDS


def _sums_of(spec: InstanceSpec, info: Any) -> tuple[Callable[[], Sum], int]:
    """What makes one, and about how many bytes its buckets are."""
    if info.kind == Params.HISTOGRAM:
        bounds = bounds_of(spec, info)
        return lambda: Buckets(bounds), BUCKET_BYTES * (len(bounds) + 1)
    if info.kind == Params.EXPONENTIAL_HISTOGRAM:
        size = info.max_size or MAX_SIZE
        return lambda: Exponential(size), SCALED_BUCKET_BYTES * size
    return Last if info.kind == Params.GAUGE else Total, 0


class Series:
    """One label set of a stream. `attributes` are those of its points, encoded.

    Rows that were added are in `rows` until they are under way, and in `_under_way` until the backend has them or they are put
    back. With delta the values go the same way.
    """

    __slots__ = (
        "_attributes",
        "_since",
        "_told",
        "_under_way",
        "_value",
        "ended",
        "resource",
        "rows",
        "stream",
        "touched",
    )

    def __init__(self, stream: Stream, resource: bytes, attributes: bytes, since: int) -> None:
        self.stream = stream
        self.resource = resource
        self.rows = 0
        self.touched = since
        self.ended = False
        self._attributes = attributes
        self._since = since  # nanoseconds since 1970: the start of the next point
        self._told = since  # the time of the last point
        self._value = stream.new()
        self._under_way: tuple[int, Sum] | None = None

    @property
    def size(self) -> int:
        return len(self._attributes) + self.stream.point_bytes

    @property
    def under_way(self) -> int:
        """How many rows are in the point that was taken and not settled."""
        return self._under_way[0] if self._under_way else 0

    @property
    def unsettled(self) -> int:
        return self.rows + self.under_way

    def add(self, value: int | float) -> None:
        self._value.add(value)
        self.rows += 1

    def take(self, now: int) -> bytes:
        """The point that says what there is; `settle` or `put_back` says what became of it. `now` is later than at any
        call before.
        """
        self.put_back()
        point = self.stream.form.point(flags=NO_RECORDED_VALUE) if self.ended else self._value.point()
        if self.stream.form.temporal:
            point.start_time_unix_nano = self._since
        point.time_unix_nano = self._told = now
        self._under_way, self.rows = (self.rows, self._value), 0
        if self.stream.delta:
            self._value = self.stream.new()
        content: bytes = point.SerializeToString()
        return self._attributes + content

    def settle(self) -> int:
        """What was under way is sent, or lost: how many rows that are."""
        if self._under_way is None:
            return 0
        rows, self._under_way = self._under_way[0], None
        if self.stream.delta:
            self._since = self._told
        return rows

    def put_back(self) -> None:
        """What was under way is part of the next point."""
        if self._under_way is None:
            return
        rows, value = self._under_way
        self._under_way = None
        self.rows += rows
        if self.stream.delta:
            value.merge(self._value)
            self._value = value
