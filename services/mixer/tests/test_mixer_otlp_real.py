"""The otlp adapter beside OpenTelemetry's own exporters, which must be read alike; and what an outage costs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from flotilla_mixer.adapters.otlp.adapter import Otlp
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.otlp_handlers import BEGUN, SPAN, TRACE, Sending, calls, lines, until
from flotilla_mixer.testing.otlp_server import OtlpServer
from flotilla_protos.flotilla.opentelemetry import collector_pb2
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

pytestmark = pytest.mark.real

PYTHON = Path(__file__).parents[3] / ".venv" / "backends" / "bin" / "python"
PROGRAM = Path(__file__).parent / "programs" / "otlp_sdk.py"
MISSING = "OpenTelemetry's exporters are not there: `make .venv/backends/installed`"
PARENT = "b7ad6b7169203331"
RESOURCE = {"service.name": "mesh", "service.instance.id": "", "zone": "a"}
OUTAGE_SECONDS = 20.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02
RETURN_SECONDS = 10.0


async def run_theirs(*arguments: str, program: Path = PROGRAM) -> str:
    """What a program in the environment of backends writes. Without that environment the test is skipped, in CI it fails."""
    if not PYTHON.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(program), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    assert b"Failed" not in wrong, wrong.decode()
    return said.decode()


@pytest.fixture(params=["grpc", "http"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[OtlpServer]:
    found = OtlpServer(request.param)
    await found.start()
    yield found
    await found.stop()


# twins

PEERS = {"source_name": "reviews", "destination_name": "ratings"}


def metric_of(name: str, names: tuple[str, ...], value: ValueType = ValueType.INT64) -> InstanceSpec:
    return InstanceSpec(f"{name}.instance.ns", METRIC, {"value": value}, {"dimensions": names})


COUNTED, OPEN, LEVEL = metric_of("calls", ("code", "who")), metric_of("open", ()), metric_of("level", ())
TOOK, SPREAD = (metric_of(name, ("who",), ValueType.DURATION) for name in ("took", "spread"))
LOGGED = InstanceSpec("log.instance.ns", LOG_ENTRY, {}, {"variables": ("code", "method", "ok", "took", "trace")})
TRACED = InstanceSpec("span.instance.ns", TRACE_SPAN, {}, {"span_tags": ("http.request.method", "retries")})
SPECS = (COUNTED, OPEN, LEVEL, TOOK, SPREAD, LOGGED, TRACED)
DURATIONS = (500_000, 2_000_000, 20_000_000, 1_000_000_000, 250_000_000)
METRICS = {
    COUNTED.name: {"kind": "SUM", "unit": "{call}", "description": "calls of the mesh"},
    OPEN.name: {"kind": "UP_DOWN_SUM"},
    LEVEL.name: {"kind": "GAUGE"},
    TOOK.name: {"kind": "HISTOGRAM", "bounds": [0.001, 0.01, 1.0]},
    SPREAD.name: {"kind": "EXPONENTIAL_HISTOGRAM", "maxSize": 8},
}


def rows(spec: InstanceSpec, *pairs: tuple[Any, tuple[Any, ...]]) -> ReportBatch:
    return ReportBatch(spec, [(value, None, dimensions, ()) for value, dimensions in pairs])


FIRST = (
    rows(COUNTED, (1, (200, "a")), (2, (200, "a")), (5, (404, "a"))),
    rows(OPEN, (3, ()), (-1, ())),
    rows(LEVEL, (7, ()), (-4, ())),
    *(rows(spec, *((Duration(each), ("a",)) for each in DURATIONS)) for spec in (TOOK, SPREAD)),
)
SECOND = (rows(COUNTED, (4, (200, "a"))), rows(TOOK, (Duration(500_000_000), ("a",))))


def log_rows() -> ReportBatch:
    took = 0.25
    context = f"00-{TRACE}-{SPAN}-01"
    return ReportBatch(
        LOGGED,
        [
            (Timestamp(BEGUN), "info", None, (200, "GET", True, took, context), ()),
            (Timestamp(BEGUN + 1), "ERROR", None, (201, "GET", False, took, None), ()),
        ],
    )


def span_rows() -> ReportBatch:
    values: dict[str, Any] = dict.fromkeys(TRACE_SPAN.fields)
    values |= {"trace_id": TRACE, "span_id": SPAN, "parent_span_id": PARENT, "span_name": "/ratings"}
    values |= {
        "start_time": Timestamp(BEGUN),
        "end_time": Timestamp(BEGUN + 1_500_000),
        "http_status_code": 404,
        **PEERS,
    }
    return ReportBatch(TRACED, [(*(values | {"client_span": client}).values(), ("GET", 2)) for client in (True, False)])


async def run_ours(server: OtlpServer, temporality: str) -> None:
    background = Background()
    params: Any = Otlp().defaults()
    given = {
        **server.params(),
        "resource": RESOURCE,
        "metrics": METRICS,
        "temporality": temporality.upper(),
        "metricsInterval": "3600s",
        "logs": {LOGGED.name: {"bodyTemplate": "{{.method}} {{.code}}", "eventName": "access"}},
    }
    given["logs"][LOGGED.name] |= {"traceId": "trace", "spanId": "trace"}
    json_format.ParseDict(given, params)
    assert list(Otlp().validate(params, SPECS)) == []
    handler: Any = Otlp().build(params, SPECS, background)
    sums = handler._parts[0]
    handler.report(FIRST)
    await sums._send(items := sums._meter.collect())
    sums._meter.settle(items, None)
    handler.report([*SECOND, log_rows(), span_rows()])
    await background.close(10)
    await handler.close()
    assert background.counted("dropped") == {}


TIMES = ("timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano")


def comparable(server: OtlpServer) -> list[dict[str, Any]]:
    """What was received, without what differs by design: times of reports, scopes, order, and how requests were cut."""
    found = []
    for resource, _, entry in server.receiver.placed():
        tree = json_format.MessageToDict(entry)
        for data in tree.values():
            for point in data.get("dataPoints", ()) if isinstance(data, dict) else ():
                for name in TIMES:
                    point.pop(name, None)
                _trim(point)
                _sort(point)
            if isinstance(data, dict) and "dataPoints" in data:
                data["dataPoints"].sort(key=json.dumps)
        tree.pop("observedTimeUnixNano", None)
        if "kind" in tree:
            tree["flags"] = (
                tree["flags"] & ~0xFF
            )  # the SDK leaves the trace's own flags out, which the protocol has there
            tree.setdefault("status", {})
        attributes = [
            pair
            for pair in json_format.MessageToDict(resource).get("attributes", ())
            if pair["key"] != "service.instance.id"
        ]
        _sort(tree)
        found.append({"resource": sorted(attributes, key=json.dumps), **tree})
    return sorted(found, key=lambda each: json.dumps(each, sort_keys=True))


def _trim(point: dict[str, Any]) -> None:
    """Of an exponential histogram without empty buckets at its end, which the SDK has there."""
    for side in ("positive", "negative"):
        counts = point.get(side, {}).get("bucketCounts", [])
        while counts and counts[-1] == "0":
            counts.pop()
        if not counts:
            point.pop(side, None)


def _sort(tree: dict[str, Any]) -> None:
    if "attributes" in tree:
        tree["attributes"] = sorted(
            (pair for pair in tree["attributes"] if pair["key"] != "trace"), key=lambda pair: str(pair["key"])
        )


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
async def test_the_same_data_by_their_exporters_and_by_ours_reads_the_same(
    temporality: str, server: OtlpServer
) -> None:
    await run_theirs(server._protocol, server.endpoint, temporality)
    assert server.receiver.wrong == [], "what OpenTelemetry's own SDK sends is right"
    theirs = comparable(server)
    server.receiver.requests.clear()
    server.receiver.checks.forget()
    await run_ours(server, temporality)
    assert server.receiver.wrong == []
    ours = comparable(server)
    kinds = [
        next(iter(set(each) & {"sum", "gauge", "histogram", "exponentialHistogram", "body", "kind"})) for each in ours
    ]
    assert set(kinds) == {"sum", "gauge", "histogram", "exponentialHistogram", "body", "kind"}
    for our, their in zip(ours, theirs, strict=False):
        assert our == their
    assert len(ours) == len(theirs)


# the messages

FIELDS = """
import importlib, json
names = ("metrics.v1.metrics_service", "logs.v1.logs_service", "trace.v1.trace_service")
def fields(found, seen):
    if found.full_name in seen:
        return
    seen[found.full_name] = {
        f.name: [f.number, f.type, f.is_repeated, f.has_presence, f.message_type.name if f.message_type else ""]
        for f in found.fields
    }
    for f in found.fields:
        if f.message_type:
            fields(f.message_type, seen)
seen = {}
for name in names:
    module = importlib.import_module(f"opentelemetry.proto.collector.{name}_pb2")
    for found in module.DESCRIPTOR.message_types_by_name.values():
        fields(found, seen)
print(json.dumps({name.rpartition(".")[2]: found for name, found in seen.items()}))
"""


def our_fields() -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}

    def add(message: Descriptor) -> None:
        if message.name in found:
            return
        found[message.name] = {
            field.name: [
                field.number,
                field.type,
                field.is_repeated,
                field.has_presence,
                field.message_type.name if field.message_type else "",
            ]
            for field in message.fields
        }
        for field in message.fields:
            if field.message_type:
                add(field.message_type)

    for message in collector_pb2.DESCRIPTOR.message_types_by_name.values():
        add(message)
    return found


async def test_our_messages_have_opentelemetrys_names_numbers_and_types(tmp_path: Path) -> None:
    program = tmp_path / "fields.py"
    program.write_text(FIELDS)
    theirs = json.loads(await run_theirs(program=program))
    enums = {("LogRecord", "severity_number")}  # numbers here
    for name, fields in our_fields().items():
        for field, facts in fields.items():
            if (name, field) not in enums:
                assert theirs[name][field] == facts, f"{name}.{field}"
    assert len(our_fields()) > 25


# an outage


@pytest.mark.parametrize("temporality", ["CUMULATIVE", "DELTA"])
@pytest.mark.slow
async def test_an_outage_costs_what_the_counter_says_and_ends_by_itself(temporality: str) -> None:
    """2,500 log entries and 2,500 values a second, the collector away for 20 s: reports return at once, what waits is
    bounded, and each row is with the collector or counted. Of sums nothing is lost.
    """
    server = OtlpServer("grpc")
    sending = Sending(server, temporality=temporality, metricsInterval="0.5s", batchDuration="0.5s")
    loop, begun, slowest, given = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0.0, 0
    turn = int(ENTRIES_A_SECOND * TURN_SECONDS / 2)
    while loop.time() - begun < OUTAGE_SECONDS:
        before = time.thread_time()
        sending.report(lines(turn), calls(*[1] * turn, code=200 + given % 5))
        slowest = max(slowest, time.thread_time() - before)
        given += turn
        await asyncio.sleep(TURN_SECONDS)
    assert sending.counted("waiting")[""] <= 20_000 + given
    await server.start()
    back = loop.time()
    await until(lambda: server.received() > 0, RETURN_SECONDS)
    resumed = loop.time() - back
    await sending.close(20)
    await server.stop()
    dropped = sending.counted("dropped")
    records, told = len(server.receiver.placed("/v1/logs")), server.total("calls")
    print(f"{given} of each; records {records}, sums say {told}, dropped {dropped}")
    print(f"delivery resumed {resumed:.1f} s after the return; a report took {slowest * 1e3:.2f} ms at most")
    assert server.receiver.wrong == []
    assert dropped.keys() == {"full"}
    assert records == given - dropped["full"]
    assert told == given
    assert sending.counted("sent") == {"": 2 * given - dropped["full"]}
    assert sending.counted("waiting") == {}
