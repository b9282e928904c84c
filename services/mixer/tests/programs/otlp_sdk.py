"""OpenTelemetry's own SDK and exporters sending the data of test_mixer_otlp_real.py. Run in .venv/backends:

python otlp_sdk.py (grpc|http) ENDPOINT (cumulative|delta)
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk import metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

SECOND = 1_000_000_000
BEGUN = 1_767_225_600 * SECOND
TRACE, SPAN, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 0xB7AD6B7169203331
RESOURCE = Resource({"service.name": "mesh", "zone": "a"})
DURATIONS = (0.0005, 0.002, 0.02, 1.0, 0.25)


def exporter(protocol: str, endpoint: str, signal: str, **more: Any) -> Any:
    module, name = {
        "metrics": ("metric_exporter", "OTLPMetricExporter"),
        "logs": ("_log_exporter", "OTLPLogExporter"),
        "traces": ("trace_exporter", "OTLPSpanExporter"),
    }[signal]
    made = getattr(importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), name)
    if protocol == "grpc":
        return made(endpoint=endpoint, insecure=True, **more)
    return made(endpoint=f"{endpoint}/v1/{signal}", **more)


def send_metrics(protocol: str, endpoint: str, temporality: str) -> None:
    chosen = getattr(AggregationTemporality, temporality.upper())
    kinds = (metrics.Counter, metrics.Histogram)
    to = exporter(protocol, endpoint, "metrics", preferred_temporality=dict.fromkeys(kinds, chosen))
    reader = PeriodicExportingMetricReader(to, export_interval_millis=math.inf)
    views = [
        View(instrument_name="took", aggregation=ExplicitBucketHistogramAggregation([0.001, 0.01, 1.0])),
        View(instrument_name="spread", aggregation=ExponentialBucketHistogramAggregation(max_size=8)),
    ]
    provider = metrics.MeterProvider([reader], resource=RESOURCE, views=views)
    meter = provider.get_meter("twin")
    calls = meter.create_counter("calls", "{call}", "calls of the mesh")
    open_ones = meter.create_up_down_counter("open")
    took, spread = meter.create_histogram("took", "s"), meter.create_histogram("spread", "s")
    level = meter.create_gauge("level")
    for value, code in ((1, 200), (2, 200), (5, 404)):
        calls.add(value, {"code": code, "who": "a"})
    open_ones.add(3)
    open_ones.add(-1)
    for value in DURATIONS:
        took.record(value, {"who": "a"})
        spread.record(value, {"who": "a"})
    level.set(7)
    level.set(-4)
    provider.force_flush()
    calls.add(4, {"code": 200, "who": "a"})
    took.record(0.5, {"who": "a"})
    provider.force_flush()
    provider.shutdown()


def send_logs(protocol: str, endpoint: str) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter(protocol, endpoint, "logs")))
    logger = provider.get_logger("twin")
    span = NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=True, trace_flags=TraceFlags(1)))
    for number, (text, severity, context) in enumerate(
        [("info", SeverityNumber.INFO, set_span_in_context(span)), ("ERROR", SeverityNumber.ERROR, Context())]
    ):
        logger.emit(
            LogRecord(
                timestamp=BEGUN + number,
                context=context,
                severity_text=text,
                severity_number=severity,
                body=f"GET {200 + number}",
                attributes={"code": 200 + number, "method": "GET", "ok": number == 0, "took": 0.25},
                event_name="access",
            )
        )
    provider.force_flush()
    provider.shutdown()


def span_of(attributes: Mapping[str, Any], *, client: bool, error: bool) -> trace.ReadableSpan:
    return trace.ReadableSpan(
        name="/ratings",
        context=SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1)),
        parent=SpanContext(TRACE, PARENT, is_remote=not client, trace_flags=TraceFlags(1)),
        resource=Resource({"service.name": "reviews" if client else "ratings", "zone": "a"}),
        attributes=attributes,
        kind=SpanKind.CLIENT if client else SpanKind.SERVER,
        status=Status(StatusCode.ERROR if error else StatusCode.UNSET),
        start_time=BEGUN,
        end_time=BEGUN + 1_500_000,
        instrumentation_scope=InstrumentationScope("twin"),
    )


def send_spans(protocol: str, endpoint: str) -> None:
    common = {"http.request.method": "GET", "http.response.status_code": 404, "retries": 2}
    to = exporter(protocol, endpoint, "traces")
    to.export(
        [
            span_of({**common, "service.peer.name": "ratings"}, client=True, error=True),
            span_of({**common, "service.peer.name": "reviews"}, client=False, error=False),
        ]
    )
    to.shutdown()


def main(protocol: str, endpoint: str, temporality: str) -> None:
    send_metrics(protocol, endpoint, temporality)
    send_logs(protocol, endpoint)
    send_spans(protocol, endpoint)


if __name__ == "__main__":
    main(*sys.argv[1:])
