"""OpenTelemetry's adapter beside its SDK, in its environment of its own, to collectors that take all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.sending import ENTRIES, HttpSink, Sent, deliver, http_sink, least
from flotilla_mixer.adapters.otlp.adapter import Otlp
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.outages.served import Served
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

CLIENTS = Path(__file__).parents[1] / ".venv" / "backends" / "bin" / "python"
SDK = Path(__file__).parent / "otlp_sdk.py"
MISSING = "OpenTelemetry's SDK is in an environment of its own: `make .venv/backends/installed`"
START = 1_767_225_600_000_000_000
ROUNDS = 3  # of the SDK

LINES = InstanceSpec(
    "l.instance.bench", LOG_ENTRY, {}, {"variables": ("code", "id", "method", "path", "service", "took")}
)
SPANS = sample_spec(TRACE_SPAN, ("http.request.method", "server.address", "url.path"), name="s.instance.bench")
CALLS = InstanceSpec(
    "calls.instance.bench",
    METRIC,
    {"value": ValueType.INT64},
    {"dimensions": ("code", "service")},
    {"dimensions": {"code": ValueType.INT64, "service": ValueType.STRING}},
)


def _line(number: int) -> tuple[Any, ...]:
    path, took = f"/ratings/{number % 40}", Duration(12_300_000 + number * 1000)
    variables = (200, f"{number:032x}", "GET", path, f"service-{number % 40}", took)
    return (Timestamp(START + number), "info", None, variables, ())


def _span(number: int) -> tuple[Any, ...]:
    values = {
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "parent_span_id": f"{number + 2:016x}",
        "span_name": "GET",
        "start_time": Timestamp(START + number),
        "end_time": Timestamp(START + number + 12_300_000),
        "http_status_code": 200,
        "destination_name": f"service-{number % 40}",
        "source_name": f"service-{(number + 1) % 40}",
    }
    return (*(values.get(name) for name in TRACE_SPAN.fields), ("GET", "ratings:9080", f"/ratings/{number % 40}"))


ROWS: dict[str, tuple[InstanceSpec, list[Any]]] = {
    "logs": (LINES, [_line(number) for number in range(ENTRIES)]),
    "traces": (SPANS, [_span(number) for number in range(ENTRIES)]),
    "metrics": (
        CALLS,
        [(1, None, (200 + number % 5, f"service-{number % 40}"), ()) for number in range(ENTRIES)],
    ),
}
PARAMS = {
    "plaintext": True,
    "logs": {LINES.name: {"bodyTemplate": "{{.method}} {{.path}} {{.code}}"}},
    "metrics": {CALLS.name: {"kind": "SUM"}},
}


def senders() -> Iterator[Sent]:
    if not CLIENTS.exists():
        raise ImportError(MISSING)
    collector = Served("bench.grpc_sink:GrpcSink")
    try:
        place = f"127.0.0.1:{collector.ask('start')}"
        with http_sink("", kind="application/x-protobuf") as sink:
            for signal in ROWS:
                yield Sent(f"{signal}: the adapter, gRPC, gzip", _ours(signal, {"endpoint": place}))
                yield from _over_http(signal, sink)
                yield Sent(f"{signal}: OpenTelemetry's SDK, gRPC, gzip", _theirs(signal, "grpc", place))
                sink.taken()
                cpu = _theirs(signal, "http", sink.url)
                yield Sent(f"{signal}: OpenTelemetry's SDK, HTTP, gzip", cpu, sink.taken()[1] / ENTRIES / ROUNDS)
    finally:
        collector.close()


def _over_http(signal: str, sink: HttpSink) -> Iterator[Sent]:
    ways = [("HTTP, gzip", {"protocol": "HTTP"})]
    if signal == "logs":
        ways += [
            ("HTTP, as it is", {"protocol": "HTTP", "compression": "NONE"}),
            ("JSON, gzip", {"protocol": "HTTP_JSON"}),
        ]
    for what, changes in ways:
        params = {"endpoint": sink.url, **changes}
        cpu = _ours(signal, params)
        sink.taken()
        _send(signal, params)
        yield Sent(f"{signal}: the adapter, {what}", cpu, sink.taken()[1] / ENTRIES)


def _ours(signal: str, params: dict[str, Any]) -> float:
    return least(lambda: _send(signal, params))


def _send(signal: str, params: dict[str, Any]) -> None:
    deliver(Otlp(), {**PARAMS, **params}, *ROWS[signal])


def _theirs(signal: str, protocol: str, endpoint: str) -> float:
    command = [str(CLIENTS), str(SDK), signal, protocol, endpoint, str(ENTRIES)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
