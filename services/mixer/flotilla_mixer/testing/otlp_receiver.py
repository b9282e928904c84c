"""What a collector of tests takes and answers, whatever it is reached by."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from flotilla_mixer.testing.otlp_checks import StreamChecks
from flotilla_protos.flotilla.opentelemetry import collector_pb2 as messages

SERVICES = {
    "/v1/metrics": ("opentelemetry.proto.collector.metrics.v1.MetricsService", "ExportMetricsService"),
    "/v1/logs": ("opentelemetry.proto.collector.logs.v1.LogsService", "ExportLogsService"),
    "/v1/traces": ("opentelemetry.proto.collector.trace.v1.TraceService", "ExportTraceService"),
}
REJECTED = {
    "/v1/metrics": "rejected_data_points",
    "/v1/logs": "rejected_log_records",
    "/v1/traces": "rejected_spans",
}


class Refusal(NamedTuple):
    """An answer other than yes. `code` is gRPC's or HTTP's; `delay` the seconds of RetryInfo or Retry-After."""

    code: grpc.StatusCode | int
    delay: float | None = None
    text: str = "not now"


class Partial(NamedTuple):
    """A yes that is not for all."""

    rejected: int
    text: str = "some are not wanted"


@dataclass(frozen=True)
class Taken:
    """A request that was taken. `path` is its signal's, as HTTP has it."""

    path: str
    message: Any
    headers: Mapping[str, str]
    size: int


class OtlpReceiver:
    """What a server takes, over all its lives. `wrong` is what breaks the protocol; `answers` are given to requests to come,
    in order, before it says yes again; `always` to all. While `open` is clear nobody is answered.
    """

    def __init__(self) -> None:
        self.requests: list[Taken] = []
        self.wrong: list[str] = []
        self.answers: deque[Refusal | Partial] = deque()
        self.always: Refusal | None = None
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.checks = StreamChecks()

    async def take(self, path: str, message: Any, headers: Mapping[str, str], size: int) -> Refusal | Any:
        """A response, or the refusal. What is refused is not looked at."""
        self.asked += 1
        await self.open.wait()
        answer = self.always or (self.answers.popleft() if self.answers else None)
        if isinstance(answer, Refusal):
            return answer
        self.wrong += self.checks.request(path, message)
        self.requests.append(Taken(path, message, headers, size))
        response = getattr(messages, f"{SERVICES[path][1]}Response")()
        if answer is not None:
            setattr(response.partial_success, REJECTED[path], answer.rejected)
            response.partial_success.error_message = answer.text
        return response

    @property
    def entries(self) -> list[Any]:
        """Metrics, records and spans, in order."""
        return [entry for _, _, entry in self.placed()]

    def placed(self, path: str = "") -> list[tuple[Any, Any, Any]]:
        """(resource, scope, entry) of one signal or of all."""
        return [
            (resource.resource, scope.scope, entry)
            for taken in self.requests
            if path in ("", taken.path)
            for resource in _repeated(taken.message)
            for scope in _repeated(resource)
            for entry in _repeated(scope)
        ]

    def points(self, name: str) -> list[Any]:
        """All points of a metric, in order."""
        return [
            point
            for _, _, metric in self.placed("/v1/metrics")
            if metric.name == name
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]

    def total(self, name: str) -> int:
        """What a backend makes of a sum's points: of each label set the last of each start, or all deltas added up."""
        last: dict[tuple[bytes, int], int] = {}
        for resource, _, metric in self.placed("/v1/metrics"):
            if metric.name == name:
                place = resource.SerializeToString(deterministic=True)
                for point in metric.sum.data_points:
                    labels = b"".join(each.SerializeToString(deterministic=True) for each in point.attributes)
                    last[place + labels, point.start_time_unix_nano] = point.as_int
        return sum(last.values())

    def received(self) -> int:
        return (
            len(self.placed("/v1/logs"))
            + len(self.placed("/v1/traces"))
            + sum(
                len(getattr(metric, metric.WhichOneof("data")).data_points)
                for _, _, metric in self.placed("/v1/metrics")
            )
        )


def _repeated(message: Any) -> Any:
    return next((value for field, value in message.ListFields() if field.is_repeated), ())
