"""Zipkin's adapter beside `py-zipkin`, in its environment of its own, to a web server that takes all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.sending import ENTRIES, HttpSink, Sent, deliver, http_sink, least
from flotilla_mixer.adapters.zipkin.adapter import Zipkin
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_shared.model.expressions import Timestamp

CLIENTS = Path(__file__).parents[1] / ".venv" / "backends" / "bin" / "python"
MISSING = "the clients of others are in an environment of their own: `make .venv/backends/installed`"
SPEC = sample_spec(TRACE_SPAN, ("http.host", "http.method", "http.path"))
START = 1_767_225_600_000_000_000
ROUNDS = 3
# The same spans by Zipkin's Python client, batches of as many; prints microseconds of CPU for a span.
LIBRARY = """
import gc, sys, time, urllib.request
from py_zipkin import Encoding, Kind
from py_zipkin.encoding import create_endpoint, get_encoder
from py_zipkin.encoding._helpers import Span
url, entries, encoding, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
def send(numbers):
    encoder, made = get_encoder(Encoding[encoding]), []
    for number in numbers:
        here = create_endpoint(service_name=f"service-{number % 40}", host="10.0.0.1")
        there = create_endpoint(service_name=f"service-{(number + 1) % 40}", host="10.0.0.2")
        begin = 1_767_225_600 + number / 1000
        made.append(encoder.encode_span(Span(
            trace_id=f"{number + 1:032x}", name="GET", parent_id=f"{number + 2:016x}", span_id=f"{number + 1:016x}",
            kind=Kind.CLIENT, timestamp=begin, duration=0.0123, local_endpoint=here, remote_endpoint=there,
            tags={"http.host": "ratings:9080", "http.method": "GET", "http.path": f"/ratings/{number % 9}",
                  "http.status_code": "200", "opencensus.status_description": "OK"},
            annotations={"Sent 128 bytes": begin, "Received 512 bytes": begin + 0.0123})))
    body = encoder.encode_queue(made)
    body = body.encode() if isinstance(body, str) else body
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind})).read()
best = float("inf")
for _ in range(3):
    gc.collect()
    begin = time.process_time()
    for at in range(0, entries, 1000):
        send(range(at, at + 1000))
    best = min(best, time.process_time() - begin)
print(best * 1e6 / entries)
"""


def _row(number: int) -> tuple[Any, ...]:
    values = {
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "parent_span_id": f"{number + 2:016x}",
        "span_name": "GET",
        "start_time": Timestamp(START + number * 1_000_000),
        "end_time": Timestamp(START + number * 1_000_000 + 12_300_000),
        "http_status_code": 200,
        "client_span": True,
        "source_name": f"service-{number % 40}",
        "source_ip": bytes([10, 0, 0, 1]),
        "destination_name": f"service-{(number + 1) % 40}",
        "destination_ip": bytes([10, 0, 0, 2]),
        "request_total_size": 128,
        "response_total_size": 512,
    }
    return (*(values.get(name) for name in TRACE_SPAN.fields), ("ratings:9080", "GET", f"/ratings/{number % 9}"))


ROWS = [_row(number) for number in range(ENTRIES)]
WAYS: dict[str, dict[str, Any]] = {
    "the adapter: JSON, gzip": {},
    "protobuf, gzip": {"encoding": "PROTO"},
    "JSON as it is": {"gzipBytes": 2**40},
    "protobuf as it is": {"encoding": "PROTO", "gzipBytes": 2**40},
}
LIBRARIES = {"V2_JSON": "application/json", "V2_PROTO3": "application/x-protobuf"}


def senders() -> Iterator[Sent]:
    if not CLIENTS.exists():
        raise ImportError(MISSING)
    with http_sink("", "202 Accepted") as sink:
        for what, params in WAYS.items():
            yield _sent(sink, what, params)
        for encoding, kind in LIBRARIES.items():
            yield _library(sink, encoding, kind)


def _sent(sink: HttpSink, what: str, params: dict[str, Any]) -> Sent:
    given = {"url": sink.url, **params}
    cpu = least(lambda: deliver(Zipkin(), given, SPEC, ROWS))
    sink.taken()
    deliver(Zipkin(), given, SPEC, ROWS)
    return Sent(what, cpu, sink.taken()[1] / ENTRIES)


def _library(sink: HttpSink, encoding: str, kind: str) -> Sent:
    sink.taken()
    command = [str(CLIENTS), "-c", LIBRARY, f"{sink.url}/api/v2/spans", str(ENTRIES), encoding, kind]
    cpu = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return Sent(f"the `py-zipkin` package, {encoding}", cpu, sink.taken()[1] / ENTRIES / ROUNDS)
