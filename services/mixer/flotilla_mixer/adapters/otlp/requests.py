"""Entries that are encoded already, in requests of any signal: by resource, in one scope."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, NamedTuple

from flotilla_protos.flotilla.opentelemetry.collector_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from flotilla_protos.flotilla.opentelemetry.common_pb2 import InstrumentationScope
from flotilla_protos.flotilla.opentelemetry.encoded_pb2 import EncodedRequest

_VERSION = version("flotilla-mesh-mixer")
SCOPE = InstrumentationScope(name="flotilla.mixer", version=_VERSION).SerializeToString()
USER_AGENT = f"flotilla-mixer/{_VERSION}"


class Signal(NamedTuple):
    """What is sent where: the method of gRPC, the path of HTTP, the messages, and what entries are called."""

    method: str
    path: str
    request: Any
    response: Any
    rejected: str
    entries: str


_SERVICES = "/opentelemetry.proto.collector"
METRICS = Signal(
    f"{_SERVICES}.metrics.v1.MetricsService/Export",
    "/v1/metrics",
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    "rejected_data_points",
    "data points",
)
LOGS = Signal(
    f"{_SERVICES}.logs.v1.LogsService/Export",
    "/v1/logs",
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    "rejected_log_records",
    "log records",
)
TRACES = Signal(
    f"{_SERVICES}.trace.v1.TraceService/Export",
    "/v1/traces",
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    "rejected_spans",
    "spans",
)


class Entry(NamedTuple):
    """One log record, span or metric, and the resource that it belongs to; both encoded."""

    resource: bytes
    content: bytes


def entry_size(entry: Entry) -> int:
    return len(entry.content) + len(entry.resource)


def encoded_request(entries: Iterable[Entry]) -> bytes:
    """A request of these entries, in order within each resource."""
    resources: dict[bytes, list[bytes]] = {}
    for resource, content in entries:
        resources.setdefault(resource, []).append(content)
    request = EncodedRequest()
    for resource, contents in resources.items():
        found = request.resources.add(resource=resource)
        found.scopes.add(scope=SCOPE, entries=contents)
    return request.SerializeToString()
