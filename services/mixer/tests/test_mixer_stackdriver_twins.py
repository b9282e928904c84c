"""The same data sent by Google's own clients, with their objects, and by the adapter: the services read the same of both.

The clients are also the judges of the test's services: they must be taken, and what is refused they must read as such.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.api import distribution_pb2, metric_pb2, monitored_resource_pb2
from google.api_core import exceptions
from google.cloud.logging_v2 import types as logging_types
from google.cloud.logging_v2.services.config_service_v2 import ConfigServiceV2AsyncClient
from google.cloud.logging_v2.services.config_service_v2.transports import ConfigServiceV2GrpcAsyncIOTransport
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcAsyncIOTransport
from google.cloud.monitoring_v3 import types as monitoring_types
from google.cloud.monitoring_v3.services.metric_service import MetricServiceAsyncClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcAsyncIOTransport
from google.cloud.trace_v2 import types as trace_types
from google.cloud.trace_v2.services.trace_service import TraceServiceAsyncClient
from google.cloud.trace_v2.services.trace_service.transports import TraceServiceGrpcAsyncIOTransport
from google.logging.type import http_request_pb2, log_severity_pb2
from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2
from google.rpc import status_pb2

from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_cases import (
    CALLS,
    LEVEL,
    LOG,
    PARENT_ID,
    SPAN,
    SPAN_ID,
    SPECS,
    T0,
    TOOK,
    TRACE_ID,
    UP,
    VERSION,
    ended,
    handler_of,
    log_row,
    report,
    span_row,
)
from flotilla_mixer.testing.stackdriver_server import StackdriverServer
from flotilla_shared.model.expressions import Duration

PROJECT = "projects/mesh-1"
Kind, Type = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType


@pytest.fixture
async def ours() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def theirs() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def channel(theirs: StackdriverServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(theirs.endpoint) as found:
        yield found


def series(name: str, kind: int, value_type: int, value: Any, interval: Any, unit: str = "", **labels: str) -> Any:
    """A TimeSeries of Google's objects."""
    point = {"interval": interval, "value": value}
    return monitoring_types.TimeSeries(
        metric=metric_pb2.Metric(type=f"custom.googleapis.com/{name}", labels=labels),
        resource=monitored_resource_pb2.MonitoredResource(type="global", labels={"project_id": "mesh-1"}),
        metric_kind=kind,
        value_type=value_type,
        unit=unit,
        points=[point],
    )


def spread() -> Any:
    options = distribution_pb2.Distribution.BucketOptions()
    options.explicit_buckets.bounds.extend([1, 10, 100])
    return distribution_pb2.Distribution(
        count=2, mean=7.0, sum_of_squared_deviation=72.0, bucket_options=options, bucket_counts=[0, 1, 1, 0]
    )


def twins_of_metrics(sent: list[Any]) -> list[Any]:
    """What the test reports, as Google's objects; the intervals are those of the adapter's."""
    intervals = [
        {"start_time": found.start_time if found.HasField("start_time") else None, "end_time": found.end_time}
        for found in (each.points[0].interval for each in sent)
    ]
    values: list[Any] = [
        (CALLS.name, Kind.CUMULATIVE, Type.INT64, {"int64_value": 6}),
        (LEVEL.name, Kind.GAUGE, Type.DOUBLE, {"double_value": 0.5}),
        (TOOK.name, Kind.CUMULATIVE, Type.DISTRIBUTION, {"distribution_value": spread()}),
        (UP.name, Kind.GAUGE, Type.BOOL, {"bool_value": True}),
        (VERSION.name, Kind.GAUGE, Type.STRING, {"string_value": "v2"}),
    ]
    labelled = {CALLS.name: {"code": "200"}, TOOK.name: {"code": "200"}}
    return [
        series(name, kind, value_type, value, interval, "ms" if name == TOOK.name else "", **labelled.get(name, {}))
        for (name, kind, value_type, value), interval in zip(values, intervals, strict=True)
    ]


async def test_metrics(ours: StackdriverServer, theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    background = Background()
    handler = handler_of(ours, background)
    report(handler, CALLS, 1, 2, 3)
    report(handler, LEVEL, 2.5, 0.5)
    report(handler, TOOK, Duration(1_000_000), Duration(13_000_000))
    report(handler, UP, True)
    report(handler, VERSION, "v1", "v2")
    await ended(handler, background)
    client = MetricServiceAsyncClient(transport=MetricServiceGrpcAsyncIOTransport(channel=channel))
    await client.create_time_series(name=PROJECT, time_series=twins_of_metrics(ours.points.series))
    assert theirs.points.series == ours.points.series
    assert theirs.calls[0].metadata["x-goog-request-params"] == ours.calls[0].metadata["x-goog-request-params"]


async def test_googles_client_reads_a_refusal_in_part(theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    client = MetricServiceAsyncClient(transport=MetricServiceGrpcAsyncIOTransport(channel=channel))
    now = timestamp_pb2.Timestamp()
    now.GetCurrentTime()
    right = series("a", Kind.GAUGE, Type.INT64, {"int64_value": 1}, {"end_time": now})
    wrong = series("b", Kind.DELTA, Type.INT64, {"int64_value": 1}, {"end_time": now})
    with pytest.raises(exceptions.InvalidArgument, match=r"global\{\} timeSeries\[1\]") as told:
        await client.create_time_series(name=PROJECT, time_series=[right, wrong])
    summary = monitoring_types.CreateTimeSeriesSummary.pb()()
    assert told.value.details[0].Unpack(summary)
    assert (summary.total_point_count, summary.success_point_count, summary.errors[0].point_count) == (2, 1, 1)
    assert len(theirs.points.series) == 1
    with pytest.raises(exceptions.InvalidArgument, match=r"more frequently|older end time"):
        await client.create_time_series(name=PROJECT, time_series=[right])


def twin_of_entry(insert_id: str) -> Any:
    latency = duration_pb2.Duration(nanos=12_500_000)
    return logging_types.LogEntry(
        log_name=f"{PROJECT}/logs/{LOG.name}",
        resource=monitored_resource_pb2.MonitoredResource(type="global", labels={"project_id": "mesh-1"}),
        text_payload="GET /cart?id=7 curl",
        timestamp=timestamp_pb2.Timestamp(seconds=T0 // 10**9, nanos=T0 % 10**9),
        severity=log_severity_pb2.LogSeverity.WARNING,
        insert_id=insert_id,
        http_request=http_request_pb2.HttpRequest(
            request_method="GET",
            request_url="/cart?id=7",
            request_size=311,
            status=200,
            response_size=311,
            user_agent="curl",
            remote_ip="10.0.0.1",
            server_ip="10.0.0.2",
            referer="GET",
            latency=latency,
        ),
        labels={"code": "200", "from": "10.0.0.1"},
        trace=f"{PROJECT}/traces/{TRACE_ID}",
        span_id=SPAN_ID,
    )


async def test_entries(ours: StackdriverServer, theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    background = Background()
    handler = handler_of(ours, background, [LOG])
    handler.report([ReportBatch(LOG, [log_row(), log_row()])])
    await ended(handler, background)
    twins = [twin_of_entry(entry.insert_id) for entry in ours.logs.entries]
    client = LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=channel))
    await client.write_log_entries(request={"entries": twins, "partial_success": True})
    assert theirs.calls[0].request == ours.calls[0].request
    assert theirs.logs.entries == ours.logs.entries
    assert len(ours.logs.entries) == 2


async def test_googles_client_reads_partial_errors(theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    client = LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=channel))
    wrong = twin_of_entry("a")
    wrong.resource.type = "no_such_resource"
    request = {"entries": [wrong, twin_of_entry("b")], "partial_success": True}
    with pytest.raises(exceptions.InvalidArgument, match="no_such_resource") as told:
        await client.write_log_entries(request=request)
    errors = logging_types.WriteLogEntriesPartialErrors.pb()()
    assert told.value.details[0].Unpack(errors)
    assert list(errors.log_entry_errors) == [0]
    assert len(theirs.logs.entries) == 1


async def test_googles_client_makes_a_sink(theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    client = ConfigServiceV2AsyncClient(transport=ConfigServiceV2GrpcAsyncIOTransport(channel=channel))
    sink = logging_types.LogSink(name="errors", destination="storage.googleapis.com/bucket", filter="severity >= ERROR")
    made = await client.create_sink(parent=PROJECT, sink=sink)
    assert made.writer_identity
    with pytest.raises(exceptions.AlreadyExists):
        await client.create_sink(parent=PROJECT, sink=sink)
    changed = logging_types.LogSink(
        name="errors", destination="storage.googleapis.com/other", filter="severity = ALERT"
    )
    request = {"sink_name": f"{PROJECT}/sinks/errors", "sink": changed, "update_mask": {"paths": ["filter"]}}
    found = await client.update_sink(request=request)
    assert (found.filter, found.destination) == ("severity = ALERT", "storage.googleapis.com/bucket")


def twin_of_span() -> Any:
    def text(value: str) -> Any:
        return trace_types.TruncatableString(value=value)

    def moment(nanoseconds: int) -> Any:
        return timestamp_pb2.Timestamp(seconds=nanoseconds // 10**9, nanos=nanoseconds % 10**9)

    event, kind = trace_types.Span.TimeEvent, trace_types.Span.TimeEvent.MessageEvent
    attributes = {
        "/http/method": trace_types.AttributeValue(string_value=text("GET")),
        "/http/status_code": trace_types.AttributeValue(int_value=404),
        "retried": trace_types.AttributeValue(string_value=text("true")),
        "size": trace_types.AttributeValue(int_value=7),
        "took": trace_types.AttributeValue(string_value=text("1.5")),
    }
    begin, end = moment(T0), moment(T0 + 12_500_000)
    return trace_types.Span(
        name=f"{PROJECT}/traces/{TRACE_ID}/spans/{SPAN_ID}",
        span_id=SPAN_ID,
        parent_span_id=PARENT_ID,
        display_name=text("/cart"),
        start_time=begin,
        end_time=end,
        attributes=trace_types.Span.Attributes(attribute_map=attributes),
        time_events=trace_types.Span.TimeEvents(
            time_event=[
                event(time=begin, message_event=kind(type=kind.Type.RECEIVED, uncompressed_size_bytes=311)),
                event(time=end, message_event=kind(type=kind.Type.SENT, uncompressed_size_bytes=5_000)),
            ]
        ),
        status=status_pb2.Status(code=5, message="NOT_FOUND"),
        same_process_as_parent_span=wrappers_pb2.BoolValue(value=False),
        span_kind=trace_types.Span.SpanKind.SERVER,
    )


async def test_spans(ours: StackdriverServer, theirs: StackdriverServer, channel: grpc.aio.Channel) -> None:
    background = Background()
    handler = handler_of(ours, background, [SPAN])
    handler.report([ReportBatch(SPAN, [span_row()])])
    await ended(handler, background)
    client = TraceServiceAsyncClient(transport=TraceServiceGrpcAsyncIOTransport(channel=channel))
    await client.batch_write_spans(name=PROJECT, spans=[twin_of_span()])
    assert theirs.traces.spans == ours.traces.spans
    assert theirs.calls[0].metadata["x-goog-request-params"] == ours.calls[0].metadata["x-goog-request-params"]


async def test_all_of_the_samples_are_metrics() -> None:
    assert [spec.name for spec in SPECS] == [CALLS.name, LEVEL.name, TOOK.name, UP.name, VERSION.name]
