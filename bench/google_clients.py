"""What Google's own clients do with the rows that an adapter gets: their objects, their calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import grpc
from google.api import metric_pb2, monitored_resource_pb2
from google.cloud import logging_v2, monitoring_v3, trace_v2
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcAsyncIOTransport
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcAsyncIOTransport
from google.cloud.trace_v2.services.trace_service import TraceServiceAsyncClient
from google.cloud.trace_v2.services.trace_service.transports import TraceServiceGrpcAsyncIOTransport
from google.logging.type import http_request_pb2
from google.protobuf import duration_pb2, timestamp_pb2

from flotilla_mixer.testing.stackdriver_cases import LOG, T0

PROJECT = "projects/mesh-1"
BATCH, MOST_SERIES = 1_000, 200
Work = Callable[[grpc.aio.Channel], Awaitable[None]]


def points(rows: Sequence[Any]) -> Work:
    async def work(channel: grpc.aio.Channel) -> None:
        client = monitoring_v3.MetricServiceAsyncClient(transport=MetricServiceGrpcAsyncIOTransport(channel=channel))
        for batch in _batches(rows, MOST_SERIES):
            await client.create_time_series(name=PROJECT, time_series=[_point(row) for row in batch])

    return work


def _point(row: Any) -> Any:
    value, _, (code,), _ = row
    now = time.time_ns()
    begin = timestamp_pb2.Timestamp(seconds=now // 10**9, nanos=now % 10**9)
    interval = monitoring_v3.TimeInterval(start_time=begin, end_time=begin)
    return monitoring_v3.TimeSeries(
        metric=metric_pb2.Metric(type="custom.googleapis.com/calls", labels={"code": str(code)}),
        resource=monitored_resource_pb2.MonitoredResource(type="global", labels={"project_id": "mesh-1"}),
        metric_kind=metric_pb2.MetricDescriptor.CUMULATIVE,
        value_type=metric_pb2.MetricDescriptor.INT64,
        points=[monitoring_v3.Point(interval=interval, value=monitoring_v3.TypedValue(int64_value=value))],
    )


def entries(rows: Sequence[Any]) -> Work:
    async def work(channel: grpc.aio.Channel) -> None:
        client = LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=channel))
        for batch in _batches(rows, BATCH):
            await client.write_log_entries(entries=[_entry(row) for row in batch])

    return work


def _entry(row: Any) -> Any:
    agent, code, origin, latency, method, path, size, span, target, trace = row[3]
    return logging_v2.types.LogEntry(
        log_name=f"{PROJECT}/logs/{LOG.name}",
        resource=monitored_resource_pb2.MonitoredResource(type="global", labels={"project_id": "mesh-1"}),
        text_payload=f"{method} {path} {agent}",
        timestamp=timestamp_pb2.Timestamp(seconds=T0 // 10**9, nanos=T0 % 10**9),
        severity=400,
        insert_id=str(size),
        http_request=http_request_pb2.HttpRequest(
            request_method=method,
            request_url=path,
            request_size=size,
            status=code,
            response_size=size,
            user_agent=agent,
            remote_ip=".".join(map(str, origin)),
            server_ip=".".join(map(str, target)),
            referer=method,
            latency=duration_pb2.Duration(nanos=int(latency)),
        ),
        labels={"code": str(code), "from": ".".join(map(str, origin))},
        trace=f"{PROJECT}/traces/{trace}",
        span_id=span,
    )


def spans(rows: Sequence[Any]) -> Work:
    async def work(channel: grpc.aio.Channel) -> None:
        client = TraceServiceAsyncClient(transport=TraceServiceGrpcAsyncIOTransport(channel=channel))
        for batch in _batches(rows, BATCH):
            await client.batch_write_spans(name=PROJECT, spans=[_span(row) for row in batch])

    return work


def _span(row: Any) -> Any:
    types = trace_v2.types
    trace, span, parent, name, begin, end, status = row[:7]
    attributes = {
        "/http/method": types.AttributeValue(string_value=types.TruncatableString(value=row[-1][0])),
        "/http/status_code": types.AttributeValue(int_value=status),
        "size": types.AttributeValue(int_value=row[-1][2]),
    }
    return types.Span(
        name=f"{PROJECT}/traces/{trace}/spans/{span}",
        span_id=span,
        parent_span_id=parent,
        display_name=types.TruncatableString(value=name),
        start_time=timestamp_pb2.Timestamp(seconds=begin // 10**9, nanos=begin % 10**9),
        end_time=timestamp_pb2.Timestamp(seconds=end // 10**9, nanos=end % 10**9),
        attributes=types.Span.Attributes(attribute_map=attributes),
        span_kind=types.Span.SpanKind.SERVER,
    )


def _batches(rows: Sequence[Any], number: int) -> Iterator[Sequence[Any]]:
    return (rows[begin : begin + number] for begin in range(0, len(rows), number))
