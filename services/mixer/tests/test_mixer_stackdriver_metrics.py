"""Metrics of the stackdriver adapter: what becomes of rows, and what the service says of them."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.rpc import status_pb2

from flotilla_mixer.adapters.stackdriver import monitoring
from flotilla_mixer.adapters.stackdriver.messages import monitoring as messages
from flotilla_mixer.adapters.stackdriver.monitoring import in_part
from flotilla_mixer.adapters.stackdriver.outcomes import CallError
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_cases import (
    CALLS,
    LEVEL,
    SPECS,
    TOOK,
    UP,
    VERSION,
    ended,
    handler_of,
    report,
    until,
)
from flotilla_mixer.testing.stackdriver_server import CREATE_TIME_SERIES, StackdriverServer
from flotilla_shared.model.expressions import Duration

Kind, Type = MetricDescriptor.MetricKind, MetricDescriptor.ValueType
Code = grpc.StatusCode


@pytest.fixture
async def server() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


def by_type(server: StackdriverServer) -> dict[str, Any]:
    return {series.metric.type.removeprefix("custom.googleapis.com/"): series for series in server.points.series}


async def test_rows_of_a_round_are_one_point_each_series(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background)
    report(handler, CALLS, 1, 2, 3)
    report(handler, CALLS, 5, dimensions=(404,))
    report(handler, LEVEL, 2.5, 0.5)
    report(handler, TOOK, Duration(500_000), Duration(10_000_000), Duration(99_000_000), Duration(10**12))
    report(handler, UP, True, False)
    report(handler, VERSION, "v1", "v2")
    await ended(handler, background)
    values = {
        (series.metric.type.split("/")[1], *series.metric.labels.values()): series for series in server.points.series
    }
    assert values[CALLS.name, "200"].points[0].value.int64_value == 6
    assert values[CALLS.name, "404"].points[0].value.int64_value == 5
    assert values[LEVEL.name,].points[0].value.double_value == 0.5, "of a gauge the last"
    assert values[UP.name,].points[0].value.bool_value is False
    assert values[VERSION.name,].points[0].value.string_value == "v2"
    spread = values[TOOK.name, "200"].points[0].value.distribution_value
    assert list(spread.bucket_counts) == [1, 0, 2, 1], "a bound belongs to the bucket above it"
    assert spread.count == 4
    assert spread.mean == pytest.approx((0.5 + 10 + 99 + 10**6) / 4)
    assert background.counted("sent") == {"": 14}
    assert server.points.descriptors[f"custom.googleapis.com/{TOOK.name}"] == (Kind.CUMULATIVE, Type.DISTRIBUTION, "ms")
    assert [call.method for call in server.calls] == [CREATE_TIME_SERIES]
    assert server.calls[0].metadata["x-goog-request-params"] == "name=projects/mesh-1"


async def test_a_round_ends_after_its_interval_and_the_next_begins_after_it(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [CALLS], pushInterval="5s")
    report(handler, CALLS, 1)
    await until(lambda: server.points.series)
    report(handler, CALLS, 2)
    await until(lambda: len(server.points.series) == 2)
    await ended(handler, background)
    first, second = (series.points[0].interval for series in server.points.series)
    assert first.start_time.ToNanoseconds() < first.end_time.ToNanoseconds() < second.start_time.ToNanoseconds()
    assert background.counted("dropped") == {}


async def test_replicas_write_series_of_their_own(server: StackdriverServer) -> None:
    for host in ("pod-1", "pod-2"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(socket, "gethostname", lambda host=host: host)
            background = Background()
            handler = handler_of(server, background, [CALLS], replicaLabel="mixer")
            report(handler, CALLS, 1)
            await ended(handler, background)
            assert background.counted("sent") == {"": 1}
    assert [series.metric.labels["mixer"] for series in server.points.series] == ["pod-1", "pod-2"]


async def test_a_request_has_at_most_200_series(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [CALLS])
    for code in range(450):
        report(handler, CALLS, 1, dimensions=(code,))
    await ended(handler, background)
    assert [len(call.request.time_series) for call in server.calls] == [200, 200, 50]
    assert background.counted("sent") == {"": 450}


async def test_rows_that_do_not_fit_are_told_and_the_others_are_sent(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background)
    with pytest.raises(ValueError, match="no whole number") as told:
        report(handler, CALLS, 1, "text", 2, None, 2**63)
    assert str(told.value).count("calls.instance.ns") == 3
    with pytest.raises(ValueError, match="2 dimensions do not fit"):
        report(handler, CALLS, 1, dimensions=(200, "more"))
    with pytest.raises(ValueError, match="no number"):
        report(handler, TOOK, math.nan)
    await ended(handler, background)
    assert background.counted("dropped") == {"misfit": 5}
    assert by_type(server)[CALLS.name].points[0].value.int64_value == 3


async def test_the_number_of_series_is_bounded(server: StackdriverServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MOST_SERIES", 3)
    background = Background()
    handler = handler_of(server, background)
    for code in range(5):
        report(handler, CALLS, 1, 1, dimensions=(code,))
    report(handler, LEVEL, 1.0)
    report(handler, CALLS, 1, dimensions=(2,))
    await ended(handler, background)
    assert len(server.points.series) == 3
    assert background.counted("dropped") == {"cardinality": 5}
    assert background.counted("sent") == {"": 7}


async def test_of_many_series_one_is_refused_and_the_others_are_written(server: StackdriverServer) -> None:
    server.points.descriptors[f"custom.googleapis.com/{LEVEL.name}"] = (Kind.GAUGE, Type.INT64, "")
    background = Background()
    handler = handler_of(server, background)
    report(handler, CALLS, 1, 1)
    report(handler, LEVEL, 1.0, 2.0, 3.0)
    report(handler, UP, True)
    await ended(handler, background)
    assert set(by_type(server)) == {CALLS.name, UP.name}
    assert background.counted("sent") == {"": 3}
    assert background.counted("dropped") == {"invalid": 3}


PASSING = [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAUTHENTICATED]


@pytest.mark.parametrize("code", PASSING)
async def test_what_may_pass_is_tried_again(server: StackdriverServer, code: grpc.StatusCode) -> None:
    server.fail(CREATE_TIME_SERIES, code, "not now", times=2)
    background = Background()
    handler = handler_of(server, background)
    report(handler, CALLS, 1, 2)
    await ended(handler, background)
    assert background.counted("sent") == {"": 2}
    assert sum(background.counted("retries").values()) == 2


@pytest.mark.parametrize("code", [Code.PERMISSION_DENIED, Code.INVALID_ARGUMENT, Code.NOT_FOUND])
async def test_what_will_never_be_taken_is_dropped_by_its_cause(
    server: StackdriverServer, code: grpc.StatusCode
) -> None:
    server.fail(CREATE_TIME_SERIES, code, "no")
    background = Background()
    handler = handler_of(server, background)
    report(handler, CALLS, 1, 2)
    await ended(handler, background)
    assert background.counted("dropped") == {code.name.lower(): 2}
    assert len(server.calls) == 1


ANSWERS = [  # words of the service, of six series: what is dropped by cause, and what is tried again
    ("x: Points must be written in order. One or more: global{} timeSeries[1]: a{b:c}; Points must be written in order: timeSeries[3-5]",
     {"out_of_order": [1, 3, 4, 5]}, []),
    ("x: timeSeries[0,2-3] (example metric.type=\"a\"): One or more points were written more frequently than", {"too_frequent": [0, 2, 3]}, []),
    ("x: Field timeSeries[5] had an invalid value: Duplicate TimeSeries encountered.: timeSeries[5]", {"invalid": [5]}, []),
    ("x: Internal error encountered. Please retry after a few seconds.: timeSeries[0,1]; Unrecognized metric: timeSeries[2]",
     {"invalid": [2]}, [0, 1]),
    ("x: timeSeries[4-900]: Unknown", {"invalid": [4, 5]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("said", "refused", "left"), ANSWERS)
def test_answers_name_series(said: str, refused: dict[str, list[int]], left: list[int]) -> None:
    batch: list[Any] = list(range(6))
    found = in_part(CallError(Code.INVALID_ARGUMENT, said, status_pb2.Status()), batch, messages().summary)
    assert {cause: list(items) for cause, items in found.refused.items()} == refused
    assert list(found.left or ()) == left
    assert found.retry is bool(left)


@pytest.mark.parametrize("said", ["", "The caller does not have permission", "timeSeries[]", "timeSeries[900]"])
def test_an_answer_that_names_none_is_about_all(said: str) -> None:
    error = CallError(Code.INVALID_ARGUMENT, said, status_pb2.Status())
    assert in_part(error, [1, 2], messages().summary) is error  # type: ignore[list-item]


def test_all_samples_have_their_parameters() -> None:
    assert len({spec.name for spec in SPECS}) == 5
