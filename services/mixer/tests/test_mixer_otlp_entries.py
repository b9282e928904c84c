"""The otlp adapter's log records and spans: whole requests as golden/otlp has them, and rows that have none.

REWRITE_GOLDEN=1 writes the files anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.otlp.json_text import json_request
from flotilla_mixer.adapters.otlp.logs import LogWriter
from flotilla_mixer.adapters.otlp.meter import Meter, MetricWriter
from flotilla_mixer.adapters.otlp.requests import LOGS, METRICS, TRACES, Entry, Signal, encoded_request
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.adapters.otlp.spans import UNSAMPLED, UNTRACED, Dropped, SpanWriter
from flotilla_mixer.adapters.otlp.streams import Stream
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.otlp_checks import StreamChecks
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params
from flotilla_protos.flotilla.opentelemetry.logs_pb2 import LogRecord
from flotilla_protos.flotilla.opentelemetry.trace_pb2 import Span
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

GOLDEN = Path(__file__).parent / "golden" / "otlp"
REWRITE = "REWRITE_GOLDEN"
SECOND = 1_000_000_000
NOW = 1_767_225_600 * SECOND
TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"
FIXED = {"service.name": "mesh", "zone": "a"}


def compare(name: str, signal: Signal, content: bytes) -> None:
    """With the file of this name, as OpenTelemetry's JSON; and with what a collector takes."""
    assert StreamChecks().request(signal.path, signal.request.FromString(content)) == []
    text = json.dumps(json.loads(json_request(signal, content)), indent=1, ensure_ascii=False) + "\n"
    text = text.replace(f'"version": "{version("flotilla-mesh-mixer")}"', '"version": "Mixer\'s"')
    file = GOLDEN / f"{name}.json"
    if os.environ.get(REWRITE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"if that is right: {REWRITE}=1 python -m pytest {Path(__file__).name}"


# logs

LOGGED = InstanceSpec(
    "access.instance.ns",
    LOG_ENTRY,
    {},
    {"variables": ("code", "headers", "ip", "method", "took", "trace"), "monitored_resource_dimensions": ("pod",)},
)


def log_writer(spec: InstanceSpec = LOGGED, **info: Any) -> LogWriter:
    resources = ResourceWriter(FIXED, spec.names.get("monitored_resource_dimensions", ()))
    return LogWriter(spec, json_format.ParseDict(info, Params.Log()), resources, lambda: NOW)


def logged(severity: str = "info", trace: str = "", pod: str = "p1", **changes: Any) -> tuple[Any, ...]:
    values = {
        "code": 200,
        "headers": {"a": "b"},
        "ip": bytes([10, 0, 0, 1]),
        "method": "GET",
        "took": Duration(1_500_000),
    }
    values |= {"trace": trace} | changes
    return (Timestamp(NOW - SECOND), severity, "", tuple(values[name] for name in sorted(values)), (pod,))


def test_golden_logs() -> None:
    writer = log_writer(
        bodyTemplate="{{.method}} {{.code}}",
        eventName="access",
        traceId="trace",
        spanId="trace",
        severities={"Audit": 11},
    )
    rows = [
        logged("info"),
        logged("WARNING", code=503, took=None),
        logged("audit", pod="p2"),
        logged("unheard of", trace=f"00-{TRACE}-{SPAN}-01"),
        logged("error", trace="no id"),
        (Timestamp(0), "", "k8s_pod", logged()[3], ("p2",)),
    ]
    compare("logs", LOGS, encoded_request(map(writer.entry, rows)))


SEVERITY = [("Info", 9), ("err", 17), ("FATAL", 21), ("notice", 10), ("", 0), ("loud", 0)]


@pytest.mark.parametrize(("name", "number"), SEVERITY)
def test_severities(name: str, number: int) -> None:
    record = LogRecord.FromString(log_writer().entry(logged(name)).content)
    assert (record.severity_text, record.severity_number) == (name, number)


def test_a_record_of_no_time_was_observed_now() -> None:
    for odd in (None, 0, -1, True, "x", 2**64):
        record = LogRecord.FromString(log_writer().entry((odd, *logged()[1:])).content)
        assert (record.time_unix_nano, record.observed_time_unix_nano) == (0, NOW)


def test_an_entry_with_too_few_variables_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 6 names"):
        log_writer().entry((*logged()[:3], (), ("p1",)))


def test_a_body_that_a_template_cannot_make_is_refused() -> None:
    writer = log_writer(bodyTemplate="{{.method.more}}")
    with pytest.raises(ValueError, match="no field more"):
        writer.entry(logged())


@given(st.text(max_size=30), st.text(max_size=30), st.integers(-(2**63), 2**63 - 1) | st.text(max_size=30) | st.none())
def test_whatever_a_record_is_made_of_a_collector_takes_it(severity: str, trace: str, code: Any) -> None:
    entry = log_writer(bodyTemplate="{{.code}}", traceId="trace", spanId="trace").entry(
        logged(severity, trace, code=code)
    )
    assert StreamChecks().request("/v1/logs", LOGS.request.FromString(encoded_request([entry]))) == []


# spans

TRACED = sample_spec(TRACE_SPAN, ("url.path", "version"), name="span.instance.ns")


def call(**changes: Any) -> tuple[Any, ...]:
    """A row of a server's span; None for what the instance does not give."""
    values: dict[str, Any] = dict.fromkeys(TRACE_SPAN.fields)
    values |= {
        "trace_id": TRACE,
        "span_id": SPAN,
        "parent_span_id": PARENT,
        "span_name": "/ratings",
        "start_time": Timestamp(NOW),
        "end_time": Timestamp(NOW + 1_500_000),
        "client_span": False,
        "source_name": "reviews",
        "destination_name": "ratings",
    }
    tags = (changes.pop("path", "/ratings/1"), changes.pop("version", "v1"))
    return (*(values | changes).values(), tags)


def span_writer(share: float = 1.0, spec: InstanceSpec = TRACED, **info: Any) -> SpanWriter:
    return SpanWriter(spec, json_format.ParseDict(info, Params.Trace()), FIXED, share)


def span_of(row: tuple[Any, ...], writer: SpanWriter | None = None) -> Any:
    entry = (writer or span_writer()).entry(row)
    assert isinstance(entry, Entry)
    return Span.FromString(entry.content)


EVERYTHING = {
    "http_status_code": 404,
    "source_ip": bytes([10, 0, 0, 1]),
    "destination_ip": bytes([10, 0, 0, 2]),
    "request_size": 0,
    "request_total_size": 120,
    "response_size": 10,
    "response_total_size": 130,
    "api_protocol": "http",
}


def test_golden_spans() -> None:
    writer = span_writer(resourceTags=["version"])
    rows = [
        call(),
        call(client_span=True, **EVERYTHING),
        call(**EVERYTHING),
        call(client_span=True, rewrite_client_span_id=True),
        call(rewrite_client_span_id=True, http_status_code=503, version="v2"),
        call(trace_id=f"00-{TRACE}-{SPAN}-01", span_id=f"00-{TRACE}-{SPAN}-01", parent_span_id="no id"),
        call(destination_name="", span_name="", trace_id=TRACE[16:], parent_span_id=""),
    ]
    entries = [writer.entry(row) for row in rows]
    compare("spans", TRACES, encoded_request([entry for entry in entries if isinstance(entry, Entry)]))


STATUSES = [
    (200, True, 0),
    (399, True, 0),
    (400, True, 2),
    (400, False, 0),
    (499, False, 0),
    (500, False, 2),
    (0, True, 0),
]


@pytest.mark.parametrize(("code", "client", "status"), STATUSES)
def test_what_is_an_error(code: int, client: bool, status: int) -> None:
    assert span_of(call(http_status_code=code, client_span=client)).status.code == status


def test_a_tag_goes_over_what_the_template_knows() -> None:
    spec = sample_spec(TRACE_SPAN, ("http.response.status_code", "service.peer.name"))
    span = span_of((*call()[:-1], (418, "me")), span_writer(spec=spec))
    assert {pair.key: pair.value.int_value or pair.value.string_value for pair in span.attributes} == {
        "http.response.status_code": 418,
        "service.peer.name": "me",
    }


def test_both_ends_of_a_call_are_two_spans() -> None:
    client = span_of(call(client_span=True, rewrite_client_span_id=True))
    server = span_of(call(rewrite_client_span_id=True))
    assert (client.span_id != server.span_id, server.parent_span_id) == (True, client.span_id)
    assert client.parent_span_id.hex() == PARENT


NOT_SENT = [
    ({"trace_id": ""}, UNTRACED),
    ({"trace_id": None}, UNTRACED),
    ({"trace_id": f"00-{TRACE}-{SPAN}-00"}, UNSAMPLED),
    ({"trace_id": f"{TRACE}-{SPAN}-0"}, UNSAMPLED),
    ({"trace_id": "1" * 16 + "f" * 16}, UNSAMPLED),
]


@pytest.mark.parametrize(("changes", "cause"), NOT_SENT)
def test_calls_that_are_no_spans(changes: Mapping[str, Any], cause: str) -> None:
    assert span_writer(0.9).entry(call(**changes)) == Dropped(cause)


REFUSED = [
    ({"trace_id": "xyz"}, "'xyz' and '00f067aa0ba902b7' are no ids of a trace and a span"),
    ({"trace_id": 7}, "no ids"),
    ({"trace_id": "0" * 32}, "no ids"),
    ({"span_id": ""}, "no ids"),
    ({"span_id": "0" * 16}, "no ids"),
    ({"start_time": None}, "start_time '' is no time"),
    ({"start_time": 0}, "no time of a span"),
    ({"end_time": Timestamp(NOW - SECOND)}, "ends 1 s before it begins"),
    ({"http_status_code": "200"}, "no number of a span"),
    ({"request_size": -1}, "request_size '-1' is no number"),
    ({"path": 2**80}, "64 bits"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_rows_that_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        span_writer().entry(call(**changes))


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=20), st.integers(0, 599))
def test_whatever_a_span_is_made_of_a_collector_takes_it_or_it_is_refused(
    trace: str, span: str, parent: str, name: str, code: int
) -> None:
    row = call(
        trace_id=trace or TRACE, span_id=span or SPAN, parent_span_id=parent, span_name=name, http_status_code=code
    )
    try:
        entry = span_writer().entry(row)
    except ValueError:
        return
    if isinstance(entry, Entry):
        assert StreamChecks().request("/v1/traces", TRACES.request.FromString(encoded_request([entry]))) == []


# metrics

KINDS = ["SUM", "UP_DOWN_SUM", "GAUGE", "HISTOGRAM", "EXPONENTIAL_HISTOGRAM"]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_golden_metrics(temporality: str) -> None:
    time = NOW
    meter = Meter(100, 0, lambda: time)
    for kind in KINDS:
        spec = sample_spec(METRIC, ("code", "who"), ValueType.DURATION, name=f"{kind.lower()}.instance.ns")
        info = {"kind": kind, "unit": "" if kind == "SUM" else "ms", "description": f"a {kind}"}
        info |= {"bounds": [0.001, 0.01]} if kind == "HISTOGRAM" else {}
        stream = Stream(spec, json_format.ParseDict(info, Params.Metric()), delta=temporality == "delta")
        writer = MetricWriter(spec, stream, ResourceWriter(FIXED, ("pod",)), meter)
        rows = [
            (Duration(microseconds * 1000), "", (200, "a"), (pod,))
            for microseconds, pod in ((500, "p1"), (2_000, "p1"), (20_000, "p1"), (1_000, "p2"))
        ]
        assert writer.write(ReportBatch(spec, rows), []) == (4, 0)
    time += 10 * SECOND
    compare(f"metrics-{temporality}", METRICS, meter.request(meter.collect()))


def test_a_sample_row_of_each_template_is_sent() -> None:
    spec = sample_spec(LOG_ENTRY)
    assert LogRecord.FromString(log_writer(spec).entry(sample_row(spec)).content).severity_text == "text"
