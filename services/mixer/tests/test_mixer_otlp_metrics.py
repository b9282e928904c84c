"""The otlp adapter's metrics: label sets, temporality, start times, limits, and what is settled of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.otlp.attributes import encoded_resource
from flotilla_mixer.adapters.otlp.meter import Meter, MetricWriter
from flotilla_mixer.adapters.otlp.requests import METRICS
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.adapters.otlp.streams import DEFAULT_BOUNDS, SECOND_BOUNDS, Stream
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.counters import UNREACHABLE
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.otlp_checks import NO_RECORDED_VALUE, StreamChecks
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, ValueType

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND
RESOURCE = ResourceWriter({"service.name": "mesh"}, ())


class Metrics:
    """One stream with a clock that a test sets."""

    def __init__(
        self,
        kind: str = "SUM",
        *,
        value: ValueType = ValueType.INT64,
        delta: bool = False,
        limit: int = 100,
        expiry: int = 0,
        dimension: ValueType = ValueType.STRING,
        **info: Any,
    ) -> None:
        self.time = START
        self.spec = _spec(value, dimension)
        self.meter = Meter(limit, expiry, lambda: self.time)
        found = json_format.ParseDict({"kind": kind, **info}, Params.Metric())
        self.writer = MetricWriter(self.spec, Stream(self.spec, found, delta=delta), RESOURCE, self.meter)
        self.checks = StreamChecks()
        self.refused = 0

    def add(self, *values: Any, who: Any = "a") -> int:
        wrong: list[str] = []
        rows = [(value, None, (who,), ()) for value in values]
        added, refused = self.writer.write(ReportBatch(self.spec, rows), wrong)
        self.refused += refused
        if wrong:
            raise ValueError("; ".join(wrong))
        return added

    def round(self, cause: str | None = None, after: int = SECOND) -> tuple[list[Any], int]:
        """The points of a request, which is taken, or not for a cause; and how many rows that settles."""
        self.time += after
        items = self.meter.collect()
        if not items:
            return [], 0
        points = self.sent(items, taken=cause is None)
        return points, self.meter.settle(items, cause)

    def sent(self, items: Sequence[Any], *, taken: bool = True) -> list[Any]:
        """Held against what a collector took before, if it takes this."""
        request = METRICS.request.FromString(self.meter.request(items))
        checks = self.checks if taken else StreamChecks()
        assert checks.request("/v1/metrics", request) == []
        (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
        return list(getattr(metric, metric.WhichOneof("data")).data_points)


def _spec(value: ValueType, dimension: ValueType) -> InstanceSpec:
    types = {"dimensions": {"who": dimension}}
    return InstanceSpec("calls.instance.ns", METRIC, {"value": value}, {"dimensions": ("who",)}, types)


def values(points: Sequence[Any]) -> list[int]:
    return [point.as_int for point in points]


def times(points: Sequence[Any]) -> list[tuple[float, float]]:
    """Start and time, in seconds of the test."""
    return [((p.start_time_unix_nano - START) / SECOND, (p.time_unix_nano - START) / SECOND) for p in points]


def test_a_cumulative_sum_goes_on_and_is_told_each_time() -> None:
    metrics = Metrics()
    metrics.add(1, 2)
    first, settled = metrics.round()
    assert (values(first), times(first), settled) == ([3], [(0, 1)], 2)
    second, settled = metrics.round()
    assert (values(second), times(second), settled) == ([3], [(0, 2)], 0), "nothing new, and told all the same"
    metrics.add(4)
    third, settled = metrics.round()
    assert (values(third), times(third), settled) == ([7], [(0, 3)], 1)


def test_a_delta_is_what_came_since_and_nothing_is_told_of_nothing() -> None:
    metrics = Metrics(delta=True)
    metrics.add(1, 2)
    first, _ = metrics.round()
    assert (values(first), times(first)) == ([3], [(0, 1)])
    assert metrics.round() == ([], 0)
    metrics.add(4)
    third, settled = metrics.round()
    assert (values(third), times(third), settled) == ([4], [(1, 3)], 1)


@pytest.mark.parametrize("delta", [False, True])
def test_what_was_not_taken_is_in_the_next_request(delta: bool) -> None:
    metrics = Metrics(delta=delta)
    metrics.add(1)
    assert metrics.round(UNREACHABLE)[1] == 0
    assert metrics.meter.rest() == 1
    metrics.add(2)
    points, settled = metrics.round()
    assert (values(points), times(points), settled) == ([3], [(0, 2)], 2)
    assert metrics.meter.rest() == 0


def test_a_delta_that_is_refused_is_lost_and_a_sum_is_not() -> None:
    for delta, later in ((True, [2]), (False, [3])):
        metrics = Metrics(delta=delta)
        metrics.add(1)
        assert metrics.round("refused")[1] == 1
        metrics.add(2)
        points, settled = metrics.round()
        assert (values(points), settled) == (later, 1)


def test_rows_that_come_while_a_request_is_under_way_are_in_the_next() -> None:
    metrics = Metrics(delta=True)
    metrics.add(1)
    metrics.time += SECOND
    items = metrics.meter.collect()
    assert values(metrics.sent(items)) == [1]
    metrics.add(5)
    assert metrics.meter.rest() == 2
    assert metrics.meter.settle(items, None) == 1
    points, settled = metrics.round()
    assert (values(points), settled) == ([5], 1)


def test_a_second_try_has_what_came_since_the_first() -> None:
    metrics = Metrics(delta=True)
    metrics.add(1)
    items = metrics.meter.collect()
    assert values(metrics.sent(items, taken=False)) == [1]
    metrics.add(5)
    metrics.time += SECOND
    assert values(metrics.sent(items)) == [6]
    assert metrics.meter.settle(items, None) == 2


def test_the_clock_may_stand_still_or_go_back() -> None:
    metrics = Metrics()
    metrics.add(1)
    for after in (0, 0, -5 * SECOND, SECOND):
        points, _ = metrics.round(after=after)
        assert points[0].time_unix_nano > points[0].start_time_unix_nano


def test_a_new_label_set_begins_with_the_last_round() -> None:
    metrics = Metrics()
    metrics.add(1)
    metrics.round()
    metrics.add(1, who="b")
    points, _ = metrics.round()
    assert sorted(times(points)) == [(0, 2), (1, 2)]


def test_beyond_the_limit_new_label_sets_are_refused_and_known_ones_are_not() -> None:
    metrics = Metrics(limit=2)
    for who in "abcab":
        metrics.add(1, who=who)
    assert metrics.refused == 1
    assert sorted(values(metrics.round()[0])) == [2, 2]


def test_what_is_not_written_is_forgotten_with_a_last_word_and_begins_anew() -> None:
    metrics = Metrics(expiry=10 * SECOND, limit=1)
    metrics.add(5)
    metrics.round()
    metrics.round(after=9 * SECOND)
    (last,), _ = metrics.round(after=2 * SECOND)
    assert (last.flags, last.WhichOneof("value")) == (NO_RECORDED_VALUE, None)
    assert metrics.round() == ([], 0)
    metrics.add(1)
    points, _ = metrics.round()
    assert (values(points), times(points)) == ([1], [(12, 14)])


def test_a_label_set_that_comes_back_at_its_last_word_goes_on() -> None:
    metrics = Metrics(expiry=10 * SECOND)
    metrics.add(5)
    metrics.round()
    assert metrics.round(after=20 * SECOND)[0][0].flags == NO_RECORDED_VALUE
    metrics.add(1)
    points, _ = metrics.round()
    assert (values(points), times(points)) == ([6], [(0, 22)])


def test_a_delta_is_forgotten_without_a_word() -> None:
    metrics = Metrics(expiry=10 * SECOND, delta=True)
    metrics.add(5)
    metrics.round()
    assert metrics.round(after=20 * SECOND) == ([], 0)
    assert len(metrics.meter) == 0


def test_what_waits_is_never_forgotten() -> None:
    metrics = Metrics(expiry=SECOND, delta=True)
    metrics.add(5)
    assert metrics.round(UNREACHABLE, after=5 * SECOND)[1] == 0
    assert values(metrics.round(after=5 * SECOND)[0]) == [5]


# values and label sets

VALUES: list[tuple[dict[str, Any], Any, Callable[[Any], object], object]] = [
    ({}, 7, lambda p: p.as_int, 7),
    ({}, 2.5, lambda p: p.as_double, 2.5),
    ({}, "7", lambda p: p.as_double, 7.0),
    ({}, Duration(2_500_000), lambda p: p.as_double, 0.0025),
    ({"kind": "UP_DOWN_SUM"}, -7, lambda p: p.as_int, -7),
    ({"kind": "GAUGE"}, -7, lambda p: p.as_int, -7),
    ({"kind": "HISTOGRAM"}, 7, lambda p: list(p.explicit_bounds), list(DEFAULT_BOUNDS)),
    (
        {"kind": "HISTOGRAM", "value": ValueType.DURATION},
        Duration(1),
        lambda p: list(p.explicit_bounds),
        list(SECOND_BOUNDS),
    ),
    ({"kind": "HISTOGRAM", "bounds": [1, 2]}, 1.5, lambda p: list(p.bucket_counts), [0, 1, 0]),
    ({"kind": "EXPONENTIAL_HISTOGRAM", "maxSize": 2}, 1.5, lambda p: p.count, 1),
]


@pytest.mark.parametrize(("made", "value", "read", "expected"), VALUES)
def test_values(made: dict[str, Any], value: Any, read: Callable[[Any], object], expected: object) -> None:
    metrics = Metrics(**made)
    metrics.add(value)
    (point,), _ = metrics.round()
    assert read(point) == expected


@pytest.mark.parametrize("value", [-1, "x", True, None, float("nan"), float("inf"), {}, 2**2000, "1e400", -1e301])
def test_what_cannot_be_added_up(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^calls.instance.ns: "):
        Metrics().add(value)


def test_label_sets_keep_their_types() -> None:
    metrics = Metrics(dimension=ValueType.INT64)
    for who in (1, True, 1.0, "1", 1, {"a": "b"}):
        metrics.add(1, who=who)
    points, _ = metrics.round()
    kinds = {point.attributes[0].value.WhichOneof("value"): point.as_int for point in points}
    assert kinds == {"int_value": 2, "bool_value": 1, "double_value": 1, "string_value": 1, "kvlist_value": 1}


def test_metrics_of_a_resource_are_together() -> None:
    metrics = Metrics()
    resources = ResourceWriter({"service.name": "mesh"}, ("pod",))
    stream = Stream(metrics.spec, Params.Metric(kind=Params.GAUGE, name="level"), delta=False)
    spec = InstanceSpec("l", METRIC, {}, {"dimensions": (), "monitored_resource_dimensions": ("pod",)})
    writer = MetricWriter(spec, stream, resources, metrics.meter)
    writer.write(ReportBatch(spec, [(1, "", (), ("p1",)), (2, "", (), ("p2",))]), [])
    metrics.add(1)
    request = METRICS.request.FromString(metrics.meter.request(metrics.meter.collect()))
    found = {
        each.resource.SerializeToString(): [metric.name for metric in each.scope_metrics[0].metrics]
        for each in request.resource_metrics
    }
    base = {"service.name": "mesh"}
    assert found == {
        encoded_resource(base): ["calls"],
        encoded_resource({**base, "pod": "p1"}): ["level"],
        encoded_resource({**base, "pod": "p2"}): ["level"],
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.sampled_from("abcd")),
        st.tuples(st.just("round"), st.sampled_from([None, UNREACHABLE, "refused"]), st.just("")),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_every_row_is_told_lost_or_waits(steps: list[tuple[str, Any, str]], delta: bool) -> None:
    metrics = Metrics(delta=delta, limit=3)
    given_rows = settled = lost = total = 0
    told: dict[bytes, int] = {}
    for step, what, who in steps:
        if step == "add":
            added = metrics.add(what, who=who)
            given_rows += added
            total += what * added
            continue
        points, number = metrics.round(what)
        settled += number
        if what == "refused" and delta:
            lost += sum(values(points))
        elif what is None:
            for point in points:
                key = point.attributes[0].SerializeToString()
                told[key] = (told.get(key, 0) if delta else 0) + point.as_int
    assert given_rows == settled + metrics.meter.rest()
    points, _ = metrics.round()
    for point in points:
        key = point.attributes[0].SerializeToString()
        told[key] = (told.get(key, 0) if delta else 0) + point.as_int
    assert sum(told.values()) + lost == total
