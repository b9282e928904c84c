"""The way of spans to a server: batches, gzip, logins, TLS, and every kind of answer; and as Zipkin's clients send them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.zipkin.adapter import DEFAULT_URL, Zipkin, _place
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.zipkin_spans import SpanReceiver
from flotilla_shared.model.expressions import Timestamp
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

SPEC = sample_spec(TRACE_SPAN, ("http.method",))
TRACE, SPAN, PARENT = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"
START, END = Timestamp(1_767_225_600_000_000_000), Timestamp(1_767_225_600_100_000_000)
MISSING = "clients of others are in an environment of their own: `make .venv/backends/installed`"
CLIENTS = Path(__file__).parents[3] / ".venv" / "backends" / "bin" / "python"


def row(span: str = SPAN, trace: str = TRACE, **changes: Any) -> tuple[Any, ...]:
    values = {
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": PARENT,
        "span_name": "get",
        "start_time": START,
        "end_time": END,
        "client_span": True,
        "source_name": "reviews",
        "source_ip": bytes([10, 0, 0, 1]),
        "destination_name": "ratings",
        "destination_ip": bytes([0xFD] + [0] * 14 + [9]),
        **changes,
    }
    return (*(values.get(name) for name in TRACE_SPAN.fields), ("GET",))


def rows(number: int) -> list[tuple[Any, ...]]:
    return [row(f"{each + 1:x}") for each in range(number)]


@pytest.fixture
async def receiver() -> AsyncIterator[SpanReceiver]:
    found = SpanReceiver()
    await found.start()
    yield found
    await found.stop()


class Sending:
    """A handler that tells a receiver, its environment, and what it counted."""

    def __init__(self, receiver: SpanReceiver, **params: Any) -> None:
        self.background = Background()
        given = {"url": receiver.url, "flushDuration": "0.05s", **params}
        read: Any = json_format.ParseDict(given, Zipkin().defaults())
        assert list(Zipkin().validate(read, [SPEC])) == []
        self.handler = Zipkin().build(read, [SPEC], self.background)
        self.counted = self.background.counted

    def report(self, *given: tuple[Any, ...]) -> None:
        self.handler.report([ReportBatch(SPEC, given)])

    async def close(self, grace_seconds: float = 10) -> None:
        await self.background.stop(grace_seconds)
        await self.handler.close()


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("encoding", ["JSON", "PROTO"])
async def test_batches_end_by_number_and_are_whole(receiver: SpanReceiver, encoding: str) -> None:
    sending = Sending(receiver, encoding=encoding, flushSpans=40)
    sending.report(*rows(100))
    await sending.close()
    assert [int(span["id"], 16) for span in receiver.spans] == list(range(1, 101))
    assert len(receiver.requests) == 3
    assert (receiver.wrong, sending.counted("sent"), sending.counted("dropped")) == ([], {"": 100}, {})


SIZES = [(1, 1024, None), (100, 1024, "gzip"), (100, 10_000_000, None), (1, 0, "gzip")]


@pytest.mark.parametrize(("number", "limit", "expected"), SIZES)
async def test_long_bodies_are_compressed(
    receiver: SpanReceiver, number: int, limit: int, expected: str | None
) -> None:
    sending = Sending(receiver, gzipBytes=limit)
    sending.report(*rows(number))
    await sending.close()
    assert [request.get("content-encoding") for request in receiver.requests] == [expected]
    assert (len(receiver.spans), receiver.wrong) == (number, [])


async def test_what_is_left_out_is_counted_by_cause(receiver: SpanReceiver) -> None:
    sending = Sending(receiver, sampleProbability=0.5)
    low, high = "0" * 31 + "1", "f" * 32
    sending.report(row(trace=""), row("no id"), row(trace=low), row(trace=high), row(trace=f"{low}-{SPAN}-0"))
    with pytest.raises(ValueError, match=r"a row of tracespan\.instance\.test does not fit"):
        sending.report((*row()[:-1], ()), row(trace=low))
    await sending.close()
    assert sending.counted("sent") == {"": 2}
    assert sending.counted("dropped") == {"untraced": 2, "unsampled": 2, "misfit": 1}


ANSWERS = [
    ([503, 429], {"busy": 2}, {"": 1}, {}),
    ([400], {}, {}, {"refused": 1}),
    ([401], {}, {}, {"refused": 1}),
    ([413], {}, {}, {"refused": 1}),
]


@pytest.mark.parametrize(("answers", "retries", "sent", "dropped"), ANSWERS)
async def test_answers(receiver: SpanReceiver, answers: list[int], retries: Any, sent: Any, dropped: Any) -> None:
    receiver.answers = list(answers)
    sending = Sending(receiver)
    sending.report(row())
    await sending.close()
    assert (sending.counted("retries"), sending.counted("sent"), sending.counted("dropped")) == (retries, sent, dropped)


async def test_a_server_that_is_away_is_tried_again(receiver: SpanReceiver) -> None:
    await receiver.stop()
    sending = Sending(receiver)
    sending.report(row())
    await until(lambda: bool(sending.counted("retries")))
    await receiver.start()
    await until(lambda: sending.counted("sent") == {"": 1})
    await sending.close()
    assert set(sending.counted("retries")) == {"unreachable"}


async def test_what_does_not_go_out_within_the_grace_time_is_counted(receiver: SpanReceiver) -> None:
    receiver.hold(True)
    sending = Sending(receiver)
    sending.report(*rows(7))
    await sending.close(0.2)
    receiver.hold(False)
    assert sending.counted("dropped") == {"closing": 7}


def basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'mixer:{password}'.encode()).decode()}"


async def test_logins_are_read_again(receiver: SpanReceiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one\n")
    for params, shown in (
        ({"username": "mixer", "passwordFile": str(file)}, basic),
        ({"bearerTokenFile": str(file)}, "Bearer {}".format),
    ):
        file.write_text("one\n")
        sending = Sending(receiver, **params)
        sending.report(row())
        await until(lambda sending=sending: sending.counted("sent") == {"": 1})
        file.write_text("another\n")
        sending.report(row())
        await sending.close()
        assert [each["authorization"] for each in receiver.requests[-2:]] == [shown("one"), shown("another")]


async def test_a_secret_that_is_not_there_is_waited_for(receiver: SpanReceiver, tmp_path: Path) -> None:
    sending = Sending(receiver, bearerTokenFile=str(tmp_path / "token"))
    sending.report(row())
    await until(lambda: "secret" in sending.counted("retries"))
    (tmp_path / "token").write_text("now")
    await sending.close()
    assert [each["authorization"] for each in receiver.requests] == ["Bearer now"]


def written(folder: Path, authority: CertificateAuthorityForTests, name: str) -> tuple[str, str]:
    """Certificate and key of localhost, in files."""
    made = authority.certificate("spiffe://cluster.local/ns/default/sa/zipkin", ("localhost",))
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(made.chain_pem)
    key.write_bytes(made.key_pem)
    return str(chain), str(key)


async def test_tls_by_authorities_in_a_file_that_may_be_replaced(tmp_path: Path) -> None:
    right, wrong = CertificateAuthorityForTests(), CertificateAuthorityForTests("elsewhere")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*written(tmp_path, right, "server"))
    receiver = SpanReceiver(context)
    await receiver.start()
    authorities = tmp_path / "ca.pem"
    authorities.write_text(wrong.root_pem)
    sending = Sending(receiver, url=receiver.url.replace("127.0.0.1", "localhost"), caFile=str(authorities))
    sending.report(row())
    await until(lambda: "unreachable" in sending.counted("retries"))
    assert receiver.spans == []
    os.replace(_beside(authorities, right.root_pem), authorities)
    await sending.close()
    assert (len(receiver.spans), sending.counted("sent")) == (1, {"": 1})
    await receiver.stop()


def _beside(file: Path, text: str) -> Path:
    new = file.with_suffix(".new")
    new.write_text(text)
    return new


PLACES = [
    ("", DEFAULT_URL),
    ("http://zipkin:9411", "http://zipkin:9411/api/v2/spans"),
    ("http://zipkin:9411/", "http://zipkin:9411/api/v2/spans"),
    ("https://zipkin/?key=1", "https://zipkin/api/v2/spans?key=1"),
    ("http://zipkin:9411/api/v2/spans", "http://zipkin:9411/api/v2/spans"),
    ("https://collector/zipkin", "https://collector/zipkin"),
]


@pytest.mark.parametrize(("url", "expected"), PLACES)
def test_places(url: str, expected: str) -> None:
    assert _place(url) == expected


PY_ZIPKIN = """
import json, sys, urllib.request
from py_zipkin import Encoding, Kind
from py_zipkin.encoding import create_endpoint, get_encoder
from py_zipkin.encoding._helpers import Span
url, encoding, spans = json.load(sys.stdin)
encoder = get_encoder(Encoding[encoding])
made = [
    Span(
        trace_id=each["traceId"], name=each["name"], parent_id=each["parentId"], span_id=each["id"], kind=Kind[each["kind"]],
        timestamp=each["timestamp"] / 1e6, duration=each["duration"] / 1e6, shared=each.get("shared", False),
        local_endpoint=create_endpoint(service_name=each["localEndpoint"]["serviceName"], host=each["localEndpoint"]["ipv4"]),
        remote_endpoint=create_endpoint(service_name=each["remoteEndpoint"]["serviceName"], host=each["remoteEndpoint"]["ipv6"]),
        tags=each["tags"], annotations={note["value"]: note["timestamp"] / 1e6 for note in each["annotations"]},
    )
    for each in spans
]
kind = {"V2_JSON": "application/json", "V2_PROTO3": "application/x-protobuf"}[encoding]
body = encoder.encode_queue([encoder.encode_span(each) for each in made])
body = body.encode() if isinstance(body, str) else body
urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}))
"""
OPENTELEMETRY = """
import json, sys
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
url, _, spans = json.load(sys.stdin)
(address,) = {each["localEndpoint"]["ipv4"] for each in spans}
(service,) = {each["localEndpoint"]["serviceName"] for each in spans}
exporter = ZipkinExporter(endpoint=url, local_node_ipv4=address)
def context(trace, span):
    return SpanContext(int(trace, 16), int(span, 16), True, TraceFlags(1))
result = exporter.export([
    ReadableSpan(
        each["name"], context(each["traceId"], each["id"]), context(each["traceId"], each["parentId"]), Resource({"service.name": service}),
        each["tags"], [Event(note["value"], {}, timestamp=note["timestamp"] * 1000) for note in each["annotations"]],
        kind=SpanKind[each["kind"]], start_time=each["timestamp"] * 1000,
        end_time=(each["timestamp"] + each["duration"]) * 1000,
    )
    for each in spans
])
sys.exit(result.value)
"""
TWINS = [("JSON", PY_ZIPKIN, "V2_JSON"), ("PROTO", PY_ZIPKIN, "V2_PROTO3"), ("JSON", OPENTELEMETRY, "")]


@pytest.mark.real
@pytest.mark.parametrize(("encoding", "client", "named"), TWINS)
async def test_clients_of_others_send_the_same_spans(
    receiver: SpanReceiver, encoding: str, client: str, named: str
) -> None:
    """What our handler sends, sent once more by Zipkin's Python client or by OpenTelemetry's, reads the same."""
    if not CLIENTS.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    sending = Sending(receiver, encoding=encoding, gzipBytes=10_000_000)
    sizes = {"request_total_size": 128, "response_total_size": 512, "http_status_code": 503}
    sending.report(*(row(f"{each:016x}", **sizes) for each in range(1, 20)))
    await sending.close()
    ours, request = receiver.spans, receiver.requests[-1]
    receiver.spans = []
    asked = json.dumps([receiver.url, named, ours])
    process = await asyncio.create_subprocess_exec(
        str(CLIENTS), "-c", client, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, said = await process.communicate(asked.encode())
    assert process.returncode == 0, said.decode()
    theirs = receiver.requests[-1]
    assert theirs["content-type"] == request["content-type"]
    if client is OPENTELEMETRY:
        ours, receiver.spans = [_of_opentelemetry(each) for each in ours], [_told(each) for each in receiver.spans]
    assert receiver.spans == ours
    print(f"{encoding}: ours {request['content-length']} bytes, theirs {theirs['content-length']}")


def _of_opentelemetry(span: dict[str, Any]) -> dict[str, Any]:
    """It knows no other end of a call."""
    return {name: value for name, value in span.items() if name != "remoteEndpoint"}


def _told(span: dict[str, Any]) -> dict[str, Any]:
    """Without what it adds of itself."""
    notes = [{**each, "value": next(iter(json.loads(each["value"])))} for each in span.pop("annotations")]
    tags = {name: text for name, text in span.pop("tags").items() if not name.startswith(("otel.", "service."))}
    span.pop("debug", None)
    return {**span, "annotations": notes, "tags": tags}
