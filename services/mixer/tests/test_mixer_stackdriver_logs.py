"""Log entries and sinks of the stackdriver adapter: what becomes of rows, and what the service says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.logging_v2.types import logging
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.stackdriver.entries import EntryWriter, InsertIds, hexadecimal, severity_of
from flotilla_mixer.adapters.stackdriver.messages import logging as messages
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.wire import clean
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_cases import (
    LOG,
    LOG_INFO,
    SPAN_ID,
    TRACE_ID,
    ended,
    handler_of,
    log_row,
    until,
)
from flotilla_mixer.testing.stackdriver_server import (
    CREATE_SINK,
    UPDATE_SINK,
    WRITE_LOG_ENTRIES,
    StackdriverServer,
)
from flotilla_protos.istio.mixer.adapter.stackdriver.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp

GOLDEN = Path(__file__).parent / "golden"
PLACE = Place("mesh-1", "europe-west1-b", "east")
Code = grpc.StatusCode
POD = ("k8s_pod", ("", "", "shop", "cart-1", ""))


@pytest.fixture
async def server() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


def written(*rows: tuple[Any, ...], info: dict[str, Any] | None = None, place: Place = PLACE) -> Any:
    """The entry that the last of these rows makes."""
    chosen = json_format.ParseDict(LOG_INFO if info is None else info, Params.LogInfo())
    writer = EntryWriter(LOG, chosen, messages(), InsertIds())
    found = [writer.entry(row, lambda _: None) for row in rows][-1]
    return messages().entry.FromString(found.encode(place))


def report(handler: Any, *rows: tuple[Any, ...]) -> None:
    handler.report([ReportBatch(LOG, rows)])


CASES = {
    "whole": log_row(),
    "pod": log_row(resource=POD, severity="INFO"),
    "odd": log_row(agent="", code="none", latency=7, size=-1, trace="zz", span="", severity="loud", path="\ud800"),
    "short_trace": log_row(trace="48485A3953BB6124"),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_entries(name: str) -> None:
    entry = written(CASES[name])
    entry.insert_id = ""
    found = json_format.MessageToDict(entry)
    hold_to(GOLDEN / f"stackdriver_entry_{name}.json", json.dumps(found, indent=1, sort_keys=True) + "\n")


async def test_rows_are_entries_of_the_log_of_their_instance(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, log_row(), log_row(resource=POD, code=404))
    await until(lambda: len(server.logs.entries) == 2)
    await ended(handler, background)
    first, second = server.logs.entries
    assert first.log_name == f"projects/mesh-1/logs/{LOG.name}"
    assert first.text_payload == "GET /cart?id=7 curl"
    assert dict(first.labels) == {"code": "200", "from": "10.0.0.1"}
    assert (first.trace, first.span_id) == (f"projects/mesh-1/traces/{TRACE_ID}", SPAN_ID)
    assert first.resource.type == "global"
    assert dict(second.resource.labels)["cluster_name"] == "east"
    assert first.insert_id != second.insert_id
    assert background.counted("sent") == {"": 2}


async def test_an_entry_that_is_sent_twice_is_taken_once(server: StackdriverServer) -> None:
    """As when an answer is lost: what comes again has the same ID."""
    background = Background()
    handler = handler_of(server, background, [LOG])
    server.hold(True)
    report(handler, log_row())
    await until(lambda: server.calls)
    server.fail(WRITE_LOG_ENTRIES, Code.UNAVAILABLE, "the answer is lost")
    server.logs.write(server.calls[0].request)
    server.hold(False)
    await ended(handler, background)
    assert len(server.calls) == 2
    assert len(server.logs.entries) == 1
    assert background.counted("sent") == {"": 1}


@pytest.mark.parametrize(
    ("text", "number"),
    [("INFO", 200), ("info", 200), ("Warning", 400), ("EMERGENCY", 800), ("warn", 0), ("", 0), (None, 0), (7, 0)],
)
def test_severities_are_known_by_name(text: object, number: int) -> None:
    assert severity_of(text) == number


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        (TRACE_ID.upper(), 32, TRACE_ID),
        ("48485a3953bb6124", 32, "0000000000000000" + "48485a3953bb6124"),
        ("7", 16, "0000000000000007"),
        ("0" * 16, 16, ""),
        ("x" * 16, 16, ""),
        ("", 16, ""),
        (None, 16, ""),
        (TRACE_ID, 16, ""),
    ],
)
def test_ids_are_hexadecimal(value: object, digits: int, wanted: str) -> None:
    assert hexadecimal(value, digits) == wanted


def test_without_a_time_it_is_now_and_without_a_template_there_is_no_payload() -> None:
    found = written(log_row(timestamp=None), info={})
    assert found.timestamp.seconds > 1_700_000_000
    assert found.WhichOneof("payload") is None
    assert not found.HasField("http_request")
    assert not found.trace


async def test_a_payload_that_cannot_be_made_is_left_out_and_told(
    server: StackdriverServer, capsys: pytest.CaptureFixture[str]
) -> None:
    background = Background()
    info = LOG_INFO | {"payloadTemplate": "{{index .path 3}}{{index .code 1}}"}
    handler = handler_of(server, background, [LOG], logInfo={LOG.name: info})
    report(handler, log_row())
    await ended(handler, background)
    (entry,) = server.logs.entries
    assert not entry.text_payload
    assert entry.http_request.status == 200
    assert background.counted("backend_errors") == {"payload": 1}
    assert "a payload cannot be made" in capsys.readouterr().out


async def test_one_that_is_too_long_is_dropped_and_the_others_go(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, log_row(), log_row(path="x" * 300_000), log_row(path="x" * 200_000))
    await ended(handler, background)
    assert len(server.logs.entries) == 2
    assert background.counted("dropped") == {"too_long": 1}


async def test_a_request_is_bounded_by_bytes(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, *[log_row(path="x" * 100_000)] * 25)
    await ended(handler, background)
    assert len(server.logs.entries) == 25
    assert max(call.request.ByteSize() for call in server.calls) <= 1_100_000


async def test_rows_that_do_not_fit_are_told_and_the_others_are_sent(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG])
    row = log_row()
    with pytest.raises(ValueError, match="3 variables do not fit its 10 names"):
        report(handler, row, (*row[:3], ("a", "b", "c"), row[4]), row)
    await ended(handler, background)
    assert len(server.logs.entries) == 2
    assert background.counted("dropped") == {"misfit": 1}


async def test_of_many_entries_one_is_refused_and_the_others_are_written(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, log_row(), log_row(resource=("no_such_resource", ("",) * 5)), log_row())
    await ended(handler, background)
    assert len(server.logs.entries) == 2
    assert background.counted("sent") == {"": 2}
    assert background.counted("dropped") == {"invalid_argument": 1}


async def test_parts_that_may_pass_are_tried_again_and_others_are_not(server: StackdriverServer) -> None:
    errors = logging.WriteLogEntriesPartialErrors.pb()()
    for place, code in enumerate((Code.UNAVAILABLE, Code.PERMISSION_DENIED, Code.INVALID_ARGUMENT)):
        errors.log_entry_errors[place].CopyFrom(status_pb2.Status(code=code.value[0]))
    errors.log_entry_errors[99].code = 3  # of no entry
    server.fail(WRITE_LOG_ENTRIES, Code.INVALID_ARGUMENT, "in part", details=[errors])
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, *(log_row(path=path) for path in "abcd"))
    await ended(handler, background)
    assert [entry.http_request.request_url for entry in server.logs.entries] == ["a"], "`d` was taken by the first try"
    assert background.counted("sent") == {"": 2}
    assert background.counted("dropped") == {"permission_denied": 1, "invalid_argument": 1}


async def test_a_service_says_how_long_to_wait(server: StackdriverServer) -> None:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.nanos = 300_000_000
    server.fail(WRITE_LOG_ENTRIES, Code.RESOURCE_EXHAUSTED, "quota", details=[info])
    background = Background()
    handler = handler_of(server, background, [LOG])
    report(handler, log_row())
    await ended(handler, background)
    assert background.counted("retries") == {"busy": 1}
    assert background.counted("sent") == {"": 1}


SINK = {"id": "errors", "destination": "storage.googleapis.com/bucket", "filter": "severity >= ERROR"}


async def with_sink(server: StackdriverServer, background: Background, **changes: Any) -> Any:
    info = LOG_INFO | {"sinkInfo": SINK | changes}
    return handler_of(server, background, [LOG], logInfo={LOG.name: info})


async def kept(background: Background) -> None:
    """Until the sinks are there or given up: of the handler's tasks only the delivery of entries goes on."""
    await until(lambda: background.counted("daemons") == {"": 1})


async def test_a_sink_is_created(server: StackdriverServer) -> None:
    background = Background()
    handler = await with_sink(server, background, UniqueWriterIdentity=True)
    await kept(background)
    await ended(handler, background)
    sink = server.logs.sinks["errors"]
    assert (sink.destination, sink.filter, sink.writer_identity) == (*list(SINK.values())[1:], "serviceAccount:own")
    assert server.calls[0].request.parent == "projects/mesh-1"
    assert server.calls[0].metadata["x-goog-request-params"] == "parent=projects/mesh-1"


async def test_a_sink_that_is_there_is_updated_as_far_as_is_wanted(server: StackdriverServer) -> None:
    for changes in (
        {},
        {"filter": "severity = ALERT", "destination": "storage.googleapis.com/b", "UpdateFilter": True},
    ):
        background = Background()
        handler = await with_sink(server, background, **changes)
        await kept(background)
        await ended(handler, background)
    sink = server.logs.sinks["errors"]
    assert (sink.filter, sink.destination) == ("severity = ALERT", "storage.googleapis.com/bucket")
    assert [call.method for call in server.calls] == [CREATE_SINK, CREATE_SINK, UPDATE_SINK]


async def test_a_sink_that_is_there_is_left_as_it_is_where_nothing_is_said(server: StackdriverServer) -> None:
    for _ in range(2):
        background = Background()
        handler = await with_sink(server, background)
        await kept(background)
        await ended(handler, background)
    assert [call.method for call in server.calls] == [CREATE_SINK, CREATE_SINK]


async def test_a_sink_is_tried_again_and_given_up_when_it_is_refused(server: StackdriverServer) -> None:
    server.fail(CREATE_SINK, Code.UNAVAILABLE, "not now")
    server.fail(CREATE_SINK, Code.PERMISSION_DENIED, "no right to make sinks")
    background = Background()
    handler = await with_sink(server, background)
    await kept(background)
    report(handler, log_row())
    await ended(handler, background)
    assert background.counted("backend_errors") == {"sink": 2}
    assert len(server.logs.entries) == 1, "entries go without it"


texts = st.text(st.characters(), max_size=30)


@given(texts, st.integers(), st.one_of(st.none(), st.integers(0, 2**40).map(Duration)), texts, st.integers(0, 2**62))
def test_whatever_a_row_holds_an_entry_can_be_read(path: str, size: int, latency: Any, agent: str, moment: int) -> None:
    row = log_row(path=path, size=size, latency=latency, agent=agent, timestamp=Timestamp(moment))
    found = written(row)
    assert found.http_request.request_url == clean(path, 8000)
    assert found.timestamp.ToNanoseconds() == moment
    assert found.text_payload.startswith("GET ")
