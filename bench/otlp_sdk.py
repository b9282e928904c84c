"""OpenTelemetry's SDK and exporters sending what bench/senders_otlp.py sends; run in .venv/backends:

    python otlp_sdk.py (logs|traces|metrics) (grpc|http) ENDPOINT ENTRIES

Prints microseconds of CPU for an entry, all threads together, in the quickest of three rounds.
"""

from __future__ import annotations

import gc
import importlib
import math
import sys
import time
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status

START = 1_767_225_600_000_000_000
RESOURCE = Resource({"service.name": "mesh"})
NAMES = {
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
    "traces": ("trace_exporter", "OTLPSpanExporter"),
}
BATCH, ROUNDS = 1_000, 3


def exporter(signal: str, protocol: str, endpoint: str) -> Any:
    module, name = NAMES[signal]
    package = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}")
    made = getattr(importlib.import_module(f"{package.__name__}.{module}"), name)
    if protocol == "grpc":
        import grpc

        return made(endpoint=endpoint, insecure=True, compression=grpc.Compression.Gzip)
    return made(endpoint=f"{endpoint}/v1/{signal}", compression=package.Compression.Gzip)


def logs(to: Any, entries: int) -> None:
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    batches = BatchLogRecordProcessor(to, max_queue_size=2 * entries, max_export_batch_size=BATCH)
    provider.add_log_record_processor(batches)
    logger = provider.get_logger("bench")
    for number in range(entries):
        logger.emit(
            LogRecord(
                timestamp=START + number,
                severity_text="info",
                severity_number=SeverityNumber.INFO,
                body=f"GET /ratings/{number % 40} 200",
                attributes={
                    "code": 200,
                    "id": f"{number:032x}",
                    "method": "GET",
                    "path": f"/ratings/{number % 40}",
                    "service": f"service-{number % 40}",
                    "took": 0.0123 + number / 1e6,
                },
            )
        )
    provider.force_flush()


def traces(to: Any, entries: int) -> None:
    scope = InstrumentationScope("bench")
    for begin in range(0, entries, BATCH):
        to.export(
            [
                trace.ReadableSpan(
                    name="GET",
                    context=SpanContext(number + 1, number + 1, is_remote=False),
                    parent=SpanContext(number + 1, number + 2, is_remote=True),
                    resource=Resource({"service.name": f"service-{number % 40}"}),
                    attributes={
                        "http.response.status_code": 200,
                        "service.peer.name": f"service-{(number + 1) % 40}",
                        "http.request.method": "GET",
                        "server.address": "ratings:9080",
                        "url.path": f"/ratings/{number % 40}",
                    },
                    kind=SpanKind.SERVER,
                    status=Status(),
                    start_time=START + number,
                    end_time=START + number + 12_300_000,
                    instrumentation_scope=scope,
                )
                for number in range(begin, begin + BATCH)
            ]
        )


def metrics(to: Any, entries: int) -> None:
    provider = MeterProvider([PeriodicExportingMetricReader(to, math.inf)], resource=RESOURCE, shutdown_on_exit=False)
    counter = provider.get_meter("bench").create_counter("calls")
    for number in range(entries):
        counter.add(1, {"code": 200 + number % 5, "service": f"service-{number % 40}"})
    provider.force_flush()


def main(signal: str, protocol: str, endpoint: str, entries: str) -> None:
    best = math.inf
    to = exporter(signal, protocol, endpoint)
    for _ in range(ROUNDS):
        gc.collect()
        begin = time.process_time()
        globals()[signal](to, int(entries))
        best = min(best, time.process_time() - begin)
    print(best * 1e6 / int(entries))


if __name__ == "__main__":
    main(*sys.argv[1:])
