"""Stackdriver's adapter beside Google's own clients: metrics, log entries and spans to a server that takes all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import grpc
import uvloop

from bench.sending import ENTRIES, Sent, deliver, least
from flotilla_mixer.adapters.stackdriver.adapter import Stackdriver
from flotilla_mixer.testing.outages.served import Served
from flotilla_mixer.testing.stackdriver_cases import (
    CALLS,
    LOG,
    LOG_INFO,
    METRICS,
    PLACE,
    SPAN,
    log_row,
    span_row,
)

SERIES = 200
METRIC_ROWS = [(1, None, (number % SERIES,), ()) for number in range(ENTRIES)]
LOG_ROWS = [log_row(code=200 + number % 5, size=number) for number in range(ENTRIES)]
SPAN_ROWS = [span_row(span_id=f"{number + 1:016x}") for number in range(ENTRIES)]
Client = Callable[[grpc.aio.Channel], Awaitable[None]]


def senders() -> Iterator[Sent]:
    """Raises ImportError without Google's libraries."""
    from bench import google_clients as google

    sink = Served("bench.grpc_sink:GrpcSink")
    port: int = sink.ask("start")
    ways: list[tuple[str, Callable[[], object]]] = [
        (f"metrics: the adapter, {SERIES} series", lambda: _adapter(port, CALLS, METRIC_ROWS)),
        (
            f"metrics: Google's client, a point a value, {SERIES} a call",
            lambda: _client(port, google.points(METRIC_ROWS)),
        ),
        ("logs: the adapter", lambda: _adapter(port, LOG, LOG_ROWS)),
        (f"logs: Google's client, {google.BATCH} in a request", lambda: _client(port, google.entries(LOG_ROWS))),
        ("spans: the adapter", lambda: _adapter(port, SPAN, SPAN_ROWS)),
        (f"spans: Google's client, {google.BATCH} in a request", lambda: _client(port, google.spans(SPAN_ROWS))),
    ]
    for what, send in ways:
        cpu = least(send)
        sink.ask("taken")
        send()
        yield Sent(what, cpu, sink.ask("taken")[1] / ENTRIES)
    sink.close()


def _adapter(port: int, spec: Any, rows: Sequence[Any]) -> None:
    params = {
        **PLACE,
        "endpoint": f"127.0.0.1:{port}",
        "plaintext": True,
        "metricInfo": METRICS,
        "logInfo": {LOG.name: LOG_INFO},
        "trace": {"sampleProbability": 1},
    }
    deliver(Stackdriver(), params, spec, rows)


def _client(port: int, work: Client) -> None:
    async def run() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await work(channel)
            await asyncio.sleep(0)

    uvloop.run(run())
