"""CloudWatch's adapter beside plain boto3: metrics and log entries, to a server that takes all."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from bench.sending import ENTRIES, HttpSink, Sent, deliver, http_sink, least
from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

TOOK = sample_spec(METRIC, ("code", "service"), ValueType.DURATION, name="took.instance.bench")
LOG = sample_spec(LOG_ENTRY, ("code", "path", "service"), name="log.instance.bench")
REGION, KEY, SECRET = "eu-central-1", "AKIDEXAMPLE", "secret"
MICROSECOND = 1_000
LABELS = [(200 + number % 5, f"service-{number % 40}") for number in range(ENTRIES)]
# Latencies of 1 to 51 ms, to the microsecond: no two of a series are the same.
TIMES = [(1_000 + number * 7_919 % 50_000) * MICROSECOND for number in range(ENTRIES)]
METRICS = [(Duration(took), None, labels, ()) for took, labels in zip(TIMES, LABELS, strict=True)]


def senders() -> Iterator[Sent]:
    with tempfile.TemporaryDirectory() as folder, http_sink() as sink:
        file = Path(folder) / "credentials"
        file.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
        for what, send in _ways(sink, file):
            cpu = least(send)
            sink.taken()
            send()
            yield Sent(what, cpu, sink.taken()[1] / ENTRIES)


def _ways(sink: HttpSink, file: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "metrics: the adapter", lambda: _adapter(sink, file)
    yield "metrics: the adapter, three digits", lambda: _adapter(sink, file, significantDigits=3)
    yield "metrics: the adapter, statistic sets", lambda: _adapter(sink, file, statistics="STATISTIC_SET")
    yield "metrics: boto3, a datum a row, 1000 a call", lambda: _metrics(sink, 1000)
    yield "metrics: boto3, a datum a row, 20 a call, as in 1.4", lambda: _metrics(sink, 20)
    yield "logs: the adapter", lambda: _logs_by_adapter(sink, file)
    yield "logs: boto3, 10000 a call", lambda: _logs(sink)


def _params(sink: HttpSink, file: Path) -> dict[str, Any]:
    return {
        "region": REGION,
        "endpoints": {"metrics": sink.url, "logs": sink.url},
        "credentials": {"secretFile": str(file)},
    }


def _adapter(sink: HttpSink, file: Path, **info: Any) -> None:
    metric = {"unit": "Milliseconds", "metricName": "took"} | info
    deliver(Cloudwatch(), _params(sink, file) | {"namespace": "Mesh", "metricInfo": {TOOK.name: metric}}, TOOK, METRICS)


@contextmanager
def _client(sink: HttpSink, service: str) -> Iterator[Any]:
    session = boto3.session.Session(KEY, SECRET, region_name=REGION)
    found = session.client(service, endpoint_url=sink.url)
    yield found
    found.close()


def _metrics(sink: HttpSink, most: int) -> None:
    with _client(sink, "cloudwatch") as client:
        for begin in range(0, ENTRIES, most):
            data = [_datum(number) for number in range(begin, begin + most)]
            client.put_metric_data(Namespace="Mesh", MetricData=data)


def _datum(number: int) -> dict[str, Any]:
    code, service = LABELS[number]
    dimensions = [{"Name": "code", "Value": str(code)}, {"Name": "service", "Value": service}]
    value = TIMES[number] / 1_000_000
    return {"MetricName": "took", "Dimensions": dimensions, "Value": value, "Unit": "Milliseconds"}


def _entries() -> Sequence[Any]:
    """Of now: a request must not span a day."""
    now = time.time_ns()
    return [
        (Timestamp(now + number * MICROSECOND), "info", None, (code, f"/api/{number}", service), ())
        for number, (code, service) in enumerate(LABELS)
    ]


def _logs_by_adapter(sink: HttpSink, file: Path) -> None:
    place = {"logGroupName": "mesh", "logStreamName": "mixer"}
    logs = {LOG.name: {"payloadTemplate": "{{.service}} {{.path}} {{.code}}"}}
    deliver(Cloudwatch(), _params(sink, file) | place | {"logs": logs}, LOG, _entries())


def _logs(sink: HttpSink) -> None:
    entries = _entries()
    with _client(sink, "logs") as client:
        for begin in range(0, ENTRIES, 10_000):
            events = [
                {"timestamp": row[0] // 1_000_000, "message": f"{row[3][2]} {row[3][1]} {row[3][0]}"}
                for row in entries[begin : begin + 10_000]
            ]
            client.put_log_events(logGroupName="mesh", logStreamName="mixer", logEvents=events)
