"""What Google's libraries give: the messages under their objects, and channels. Imported when a handler needs them.

The objects of the libraries (proto-plus) cost ten times as much as the messages under them, so those are built here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

MISSING = "this Mixer has no libraries for Google Cloud: install flotilla-mesh-mixer[stackdriver]"


class LibrariesMissing(ValueError):
    """The extra `stackdriver` is not installed; the text says how to."""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """google.monitoring.v3, as far as points are written."""

    series: Any
    point: Any
    summary: Any
    transport: Any


@dataclass(frozen=True, slots=True)
class Logging:
    """google.logging.v2, as far as entries are written and sinks kept."""

    entry: Any
    partial_errors: Any
    create_sink: Any
    update_sink: Any
    transport: Any


@dataclass(frozen=True, slots=True)
class Tracing:
    """google.devtools.cloudtrace.v2, as far as spans are written."""

    span: Any
    transport: Any


def check_libraries() -> None:
    """Raises LibrariesMissing."""
    monitoring(), logging(), tracing()


@cache
def monitoring() -> Monitoring:
    """Raises LibrariesMissing."""
    try:
        from google.cloud.monitoring_v3.services.metric_service import transports
        from google.cloud.monitoring_v3.types import metric, metric_service
    except ImportError as error:
        raise LibrariesMissing(MISSING) from error
    return Monitoring(
        metric.TimeSeries.pb(),
        metric.Point.pb(),
        metric_service.CreateTimeSeriesSummary.pb(),
        transports.MetricServiceGrpcAsyncIOTransport,
    )


@cache
def logging() -> Logging:
    """Raises LibrariesMissing."""
    try:
        from google.cloud.logging_v2.services.logging_service_v2 import transports
        from google.cloud.logging_v2.types import log_entry, logging_config
        from google.cloud.logging_v2.types import logging as messages
    except ImportError as error:
        raise LibrariesMissing(MISSING) from error
    return Logging(
        log_entry.LogEntry.pb(),
        messages.WriteLogEntriesPartialErrors.pb(),
        logging_config.CreateSinkRequest.pb(),
        logging_config.UpdateSinkRequest.pb(),
        transports.LoggingServiceV2GrpcAsyncIOTransport,
    )


@cache
def tracing() -> Tracing:
    """Raises LibrariesMissing."""
    try:
        from google.cloud.trace_v2.services.trace_service import transports
        from google.cloud.trace_v2.types import trace
    except ImportError as error:
        raise LibrariesMissing(MISSING) from error
    return Tracing(trace.Span.pb(), transports.TraceServiceGrpcAsyncIOTransport)
