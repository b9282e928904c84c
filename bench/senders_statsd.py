"""StatsD's adapter beside the `statsd` package, to a socket that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import statsd

from bench.sending import ENTRIES, MESSAGE, DatagramSink, Sent, datagram_sink, deliver, least
from flotilla_mixer.adapters.statsd.adapter import Statsd
from flotilla_mixer.kit.gotext import template
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec

CALLS = sample_spec(METRIC, ("code", "service"), name="calls.instance.bench")
NAME = "requests.{{.service}}.{{.code}}"
ROWS = [(1, None, (200 + number % 5, f"service-{number % 40}"), ()) for number in range(ENTRIES)]
DATAGRAM = 1432
FEW = 2_000  # entries that wait in a socket


def senders() -> Iterator[Sent]:
    with datagram_sink() as sink:
        for what, send in (
            ("the adapter", _adapter),
            ("the `statsd` package, pipelines of 100", _pipeline),
            ("the `statsd` package, one by one", _library),
        ):
            cpu = least(lambda send=send: send(sink, ROWS))
            sink.bytes()
            send(sink, ROWS[:FEW])
            yield Sent(what, cpu, sink.bytes() / FEW)
    yield Sent("a name by a template, where it is not remembered", least(_names))


def _adapter(sink: DatagramSink, rows: list[Any]) -> None:
    metrics = {CALLS.name: {"type": "COUNTER", "nameTemplate": NAME}}
    params = {"address": f"127.0.0.1:{sink.port}", "metrics": metrics, "flushBytes": DATAGRAM}
    deliver(Statsd(), params, CALLS, rows)


def _library(sink: DatagramSink, rows: list[Any]) -> None:
    client = statsd.StatsClient("127.0.0.1", sink.port)
    for value, _, (code, service), _ in rows:
        client.incr(f"requests.{service}.{code}", value)
    client.close()


def _pipeline(sink: DatagramSink, rows: list[Any]) -> None:
    client = statsd.StatsClient("127.0.0.1", sink.port, maxudpsize=DATAGRAM)
    for begin in range(0, len(rows), MESSAGE):
        with client.pipeline() as pipe:
            for value, _, (code, service), _ in rows[begin : begin + MESSAGE]:
                pipe.incr(f"requests.{service}.{code}", value)
    client.close()


def _names() -> None:
    name = template(NAME)
    for _, _, (code, service), _ in ROWS:
        name.run({"code": code, "service": service})
