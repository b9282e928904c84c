"""Handlers of the adapter otlp for tests: instances, rows, and one that sends to a server of otlp_server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format

from flotilla_mixer.adapters.otlp.adapter import Otlp
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.otlp_server import OtlpServer
from flotilla_shared.model.expressions import Timestamp, ValueType

SECOND = 1_000_000_000
BEGUN = 1_767_225_600 * SECOND
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLS = InstanceSpec(
    "calls.instance.ns",
    METRIC,
    {"value": ValueType.INT64},
    {"dimensions": ("code",)},
    {"dimensions": {"code": ValueType.INT64}},
)
LINES = InstanceSpec("lines.instance.ns", LOG_ENTRY, {}, {"variables": ("code",)})
SPANS = InstanceSpec("spans.instance.ns", TRACE_SPAN, {}, {"span_tags": ("code",)})
SPECS = (CALLS, LINES, SPANS)


def calls(*values: Any, code: int = 200) -> ReportBatch:
    return ReportBatch(CALLS, [(value, None, (code,), ()) for value in values])


def lines(number: int, code: int = 200) -> ReportBatch:
    return ReportBatch(LINES, [(Timestamp(BEGUN), "info", None, (code,), ())] * number)


def spans(number: int, code: int = 200) -> ReportBatch:
    values: dict[str, Any] = dict.fromkeys(TRACE_SPAN.fields)
    values |= {"trace_id": TRACE, "span_id": SPAN, "span_name": "/", "http_status_code": code}
    values |= {"start_time": Timestamp(BEGUN), "end_time": Timestamp(BEGUN + SECOND), "destination_name": "ratings"}
    return ReportBatch(SPANS, [(*values.values(), (code,))] * number)


class Sending:
    """A handler that sends to a server. Parameters may be changed; nothing waits for others unless they say so."""

    def __init__(self, server: OtlpServer, **changes: Any) -> None:
        self.background = Background()
        params: Any = Otlp().defaults()
        given = {
            "metrics": {CALLS.name: {"name": "calls", "kind": "SUM"}},
            "batchDuration": "0s",
            "metricsInterval": "0.05s",
            **server.params(),
            **changes,
        }
        json_format.ParseDict(given, params)
        faults = list(Otlp().validate(params, SPECS))
        if faults:
            raise ValueError(str(faults))
        self.handler = Otlp().build(params, SPECS, self.background)

    def report(self, *batches: ReportBatch) -> None:
        self.handler.report(batches)

    def counted(self, name: str) -> dict[str, int]:
        return dict(self.background.counted(name))

    async def until(self, name: str, wanted: dict[str, int], seconds: float = 20.0) -> None:
        """Until a counter has come so far."""
        await until(lambda: self.counted(name) == wanted, seconds)

    async def close(self, grace_seconds: float = 10.0) -> None:
        """As Mixer closes a handler."""
        await self.background.close(grace_seconds)
        await self.handler.close()

    async def __aenter__(self) -> Sending:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110  # counters do not say when they change
            await asyncio.sleep(0.005)
