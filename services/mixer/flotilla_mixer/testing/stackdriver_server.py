"""Cloud Monitoring, Logging and Trace of a test's own: gRPC servers of the official services, on one port of loopback.

They check what Google's check and answer in its words; Google's own clients are the judges (test_mixer_stackdriver_twins.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud.monitoring_v3.types import metric_service
from google.protobuf.empty_pb2 import Empty

from flotilla_mixer.testing import stackdriver_entries as entries
from flotilla_mixer.testing import stackdriver_spans as spans
from flotilla_mixer.testing.stackdriver_entries import EntryService
from flotilla_mixer.testing.stackdriver_points import PointService
from flotilla_mixer.testing.stackdriver_refusals import Refusal
from flotilla_mixer.testing.stackdriver_spans import SpanService
from flotilla_shared.testing.ports import free_port

CREATE_TIME_SERIES = "/google.monitoring.v3.MetricService/CreateTimeSeries"
WRITE_LOG_ENTRIES = "/google.logging.v2.LoggingServiceV2/WriteLogEntries"
CREATE_SINK = "/google.logging.v2.ConfigServiceV2/CreateSink"
UPDATE_SINK = "/google.logging.v2.ConfigServiceV2/UpdateSink"
BATCH_WRITE_SPANS = "/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans"


@dataclass(frozen=True, slots=True)
class Call:
    """One that came: its method, request and metadata."""

    method: str
    request: Any
    metadata: dict[str, str] = field(default_factory=dict)


class StackdriverServer:
    """Always on one port; what it took before it was stopped it keeps. `faults` are answers to the next calls of a method;
    None is a call that goes well.
    """

    def __init__(self, sampling: float = 5.0, tls: grpc.ServerCredentials | None = None) -> None:
        self.port = free_port()
        self.points, self.logs, self.traces = PointService(sampling), EntryService(), SpanService()
        self.calls: list[Call] = []
        self.faults: dict[str, list[Refusal | None]] = {}
        self._tls = tls
        self._open = asyncio.Event()
        self._open.set()
        self._server: grpc.aio.Server | None = None
        self._methods: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            CREATE_TIME_SERIES: (metric_service.CreateTimeSeriesRequest.pb(), self.points.write),
            WRITE_LOG_ENTRIES: (entries.WRITE, self.logs.write),
            CREATE_SINK: (entries.CREATE_SINK, self.logs.create_sink),
            UPDATE_SINK: (entries.UPDATE_SINK, self.logs.update_sink),
            BATCH_WRITE_SPANS: (spans.WRITE, self.traces.write),
        }

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=(("grpc.max_receive_message_length", 16 * 1024 * 1024),))
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        if self._tls is None:
            self._server.add_insecure_port(self.endpoint)
        else:
            self._server.add_secure_port(self.endpoint, self._tls)
        await self._server.start()

    async def stop(self) -> None:
        """At once. Safe when it does not run."""
        self._open.set()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    def hold(self, held: bool) -> None:
        """While it is held it answers nobody."""
        if held:
            self._open.clear()
        else:
            self._open.set()

    def fail(self, method: str, code: grpc.StatusCode, text: str = "", times: int = 1, details: Any = ()) -> None:
        """The next calls of a method fail; nothing of them is taken."""
        self.faults.setdefault(method, []).extend([Refusal(code, text, *details)] * times)

    def received(self) -> int:
        """Points, entries and spans of its whole life."""
        return len(self.points.series) + len(self.logs.entries) + len(self.traces.spans)

    def total(self) -> int:
        """Of all points of whole numbers: what they count, where they are sums."""
        return sum(series.points[0].value.int64_value for series in self.points.series)

    async def answer(self, method: str, request: bytes, context: Any) -> bytes:
        """gRPC's: one call."""
        kind, take = self._methods[method]
        message = kind.FromString(request)
        self.calls.append(Call(method, message, {key: str(value) for key, value in context.invocation_metadata()}))
        await self._open.wait()
        try:
            fault = waiting.pop(0) if (waiting := self.faults.get(method)) else None
            if fault is not None:
                raise fault
            found = take(message)
        except Refusal as refusal:
            await refusal.tell(context)
        return bytes((found or Empty()).SerializeToString())

    def knows(self, method: str) -> bool:
        return method in self._methods


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: StackdriverServer) -> None:
        self._server = server

    def service(self, details: Any) -> Any:
        method = details.method
        if not self._server.knows(method):
            return None

        async def answer(request: bytes, context: Any) -> bytes:
            return await self._server.answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)  # bytes in, bytes out
