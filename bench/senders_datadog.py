"""The adapters for Datadog beside Datadog's own clients: lines to a socket that nobody reads, bodies to a web server."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import NamedTemporaryFile
from typing import Any

import datadog
from datadog.dogstatsd import DogStatsd
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.logs_api import LogsApi
from datadog_api_client.v2.model.content_encoding import ContentEncoding
from datadog_api_client.v2.model.http_log import HTTPLog
from datadog_api_client.v2.model.http_log_item import HTTPLogItem

from bench.sending import ENTRIES, DatagramSink, HttpSink, Sent, datagram_sink, deliver, http_sink, least
from flotilla_mixer.adapters.datadog.adapter import Datadog
from flotilla_mixer.adapters.dogstatsd.adapter import Dogstatsd
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_shared.model.expressions import Timestamp

CALLS = sample_spec(METRIC, ("code", "service"), name="calls.instance.bench")
FAILED = sample_spec(LOG_ENTRY, ("code", "service"), name="failed.instance.bench")
DIMENSIONS = [(200 + number % 5, f"service-{number % 40}") for number in range(ENTRIES)]
ROWS = [(1, None, dimensions, ()) for dimensions in DIMENSIONS]
NOW = 1_767_225_600
ENTRY_ROWS = [(Timestamp(NOW * 10**9), "error", None, dimensions, ()) for dimensions in DIMENSIONS]
FEW = 2_000  # entries that wait in a socket
TITLE, TEXT = "{{.service}} failed", "answered {{.code}}"
OPTIONS: dict[str, Any] = {
    "namespace": "istio",
    "disable_telemetry": True,
    "origin_detection_enabled": False,
    "disable_background_sender": True,
}


def senders() -> Iterator[Sent]:
    with datagram_sink() as sink:
        for what, send, rows in (
            ("dogstatsd: the adapter", _adapter, ROWS),
            ("the `datadog` package, buffered", _buffered, ROWS),
            ("the `datadog` package, one by one", _single, ROWS),
            ("dogstatsd: events", _events, ENTRY_ROWS),
            ("the `datadog` package, events", _their_events, ENTRY_ROWS),
        ):
            cpu = least(lambda send=send, rows=rows: send(sink, rows))
            sink.bytes()
            send(sink, rows[:FEW])
            yield Sent(what, cpu, sink.bytes() / FEW)
    yield from _over_http()


def _over_http() -> Iterator[Sent]:
    with http_sink(status="202 Accepted") as sink, NamedTemporaryFile("w", suffix=".key") as key:
        key.write("a" * 32)
        key.flush()
        for what, send in (
            ("datadog: counts, merged", lambda: _posted(sink, key.name, CALLS, ROWS)),
            ("the `datadog` package's ThreadStats, merged", lambda: _thread_stats(sink)),
            ("datadog: logs", lambda: _posted(sink, key.name, FAILED, ENTRY_ROWS)),
            ("`datadog-api-client`, logs by 1000", lambda: _their_logs(sink)),
        ):
            cpu = least(send)
            sink.taken()
            send()
            yield Sent(what, cpu, sink.taken()[1] / ENTRIES)


def _posted(sink: HttpSink, key: str, spec: Any, rows: list[Any]) -> None:
    params = {
        "apiKeyFile": key,
        "metricsUrl": sink.url,
        "logsUrl": sink.url,
        "metrics": {CALLS.name: {"name": "requests", "type": "COUNT"}},
        "logs": {FAILED.name: {"message": TEXT, "service": "{{.service}}"}},
    }
    deliver(Datadog(), params, spec, rows)


def _thread_stats(sink: HttpSink) -> None:
    datadog.initialize(api_key="a" * 32, api_host=sink.url, mute=False)
    stats = datadog.ThreadStats()
    stats.start(flush_in_thread=False, flush_interval=10**6)
    for value, _, (code, service), _ in ROWS:
        stats.increment("requests", value, tags=[f"code:{code}", f"service:{service}"])
    stats.flush(float("inf"))


def _their_logs(sink: HttpSink) -> None:
    configuration = Configuration(api_key={"apiKeyAuth": "a" * 32})
    configuration.host, configuration.server_index = sink.url, None
    with ApiClient(configuration) as client:
        for begin in range(0, ENTRIES, 1000):
            logs = [
                HTTPLogItem(
                    message=f"answered {code}",
                    ddsource="flotilla",
                    hostname="here",
                    service=service,
                    status="error",
                    timestamp=NOW * 1000,
                    logger={"name": FAILED.name},
                    mesh={"code": code, "service": service},
                )
                for code, service in DIMENSIONS[begin : begin + 1000]
            ]
            LogsApi(client).submit_log(HTTPLog(logs), content_encoding=ContentEncoding.GZIP)


def _adapter(sink: DatagramSink, rows: list[Any]) -> None:
    metrics = {CALLS.name: {"name": "requests", "type": "COUNTER"}}
    deliver(Dogstatsd(), {"address": f"127.0.0.1:{sink.port}", "metrics": metrics}, CALLS, rows)


def _events(sink: DatagramSink, rows: list[Any]) -> None:
    events = {FAILED.name: {"title": TITLE, "text": TEXT, "tagVariables": ["service"]}}
    deliver(Dogstatsd(), {"address": f"127.0.0.1:{sink.port}", "events": events}, FAILED, rows)


def _buffered(sink: DatagramSink, rows: list[Any]) -> None:
    _count(DogStatsd("127.0.0.1", sink.port, disable_buffering=False, **OPTIONS), rows)


def _single(sink: DatagramSink, rows: list[Any]) -> None:
    _count(DogStatsd("127.0.0.1", sink.port, disable_buffering=True, **OPTIONS), rows)


def _count(client: DogStatsd, rows: list[Any]) -> None:
    for value, _, (code, service), _ in rows:
        client.increment("requests", value, tags=[f"code:{code}", f"service:{service}"])
    client.flush()
    client.stop()


def _their_events(sink: DatagramSink, rows: list[Any]) -> None:
    client = DogStatsd("127.0.0.1", sink.port, disable_buffering=True, **OPTIONS)
    for _, _, _, (code, service), _ in rows:
        client.event(
            f"{service} failed",
            f"answered {code}",
            alert_type="error",
            date_happened=NOW,
            tags=[f"service:{service}"],
        )
    client.stop()
