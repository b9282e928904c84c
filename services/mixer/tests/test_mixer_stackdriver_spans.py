"""Spans and edges of the stackdriver adapter: what becomes of rows, and what the service says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.stackdriver import edges
from flotilla_mixer.adapters.stackdriver.messages import tracing as messages
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.spans import SpanWriter
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.trace_context import rewritten
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_cases import (
    EDGES,
    PARENT_ID,
    SPAN,
    SPAN_ID,
    T0,
    TRACE_ID,
    edge_row,
    ended,
    handler_of,
    span_row,
    until,
)
from flotilla_mixer.testing.stackdriver_refusals import Refusal
from flotilla_mixer.testing.stackdriver_server import BATCH_WRITE_SPANS, StackdriverServer
from flotilla_mixer.testing.stackdriver_spans import _faults as faults_of
from flotilla_shared.model.expressions import Timestamp

GOLDEN = Path(__file__).parent / "golden"
REWRITTEN = rewritten(SPAN_ID)


@pytest.fixture
async def server() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


def written(row: tuple[Any, ...], spec: InstanceSpec = SPAN) -> Any:
    writer = SpanWriter(spec, messages())
    context = writer.context(row)
    assert context is not None
    return messages().span.FromString(writer.span(row, context).encode(Place("mesh-1")))


CASES = {
    "server": span_row(),
    "client_rewritten": span_row(client_span=True, rewrite_client_span_id=True, http_status_code=200),
    "server_rewritten": span_row(rewrite_client_span_id=True, http_status_code=0),
    "odd": span_row(
        span_name="é" * 100, tags=("x" * 300, None, 2**70, {"a": "b"}), request_total_size=None, parent_span_id="no"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_spans(name: str) -> None:
    found = written(CASES[name])
    assert list(faults_of("projects/mesh-1", found)) == []
    hold_to(
        GOLDEN / f"stackdriver_span_{name}.json",
        json.dumps(json_format.MessageToDict(found), indent=1, sort_keys=True) + "\n",
    )


IDS = [
    (span_row(), SPAN_ID, PARENT_ID),
    (span_row(parent_span_id=""), SPAN_ID, ""),
    (span_row(client_span=True), SPAN_ID, PARENT_ID),
    (span_row(client_span=True, rewrite_client_span_id=True), REWRITTEN, PARENT_ID),
    (span_row(rewrite_client_span_id=True), SPAN_ID, REWRITTEN),
    (span_row(rewrite_client_span_id=True, parent_span_id=""), SPAN_ID, REWRITTEN),
]


@pytest.mark.parametrize(("row", "span", "parent"), IDS)
def test_a_client_span_that_shares_its_id_becomes_the_parent(row: tuple[Any, ...], span: str, parent: str) -> None:
    found = written(row)
    assert (found.span_id, found.parent_span_id) == (span, parent)
    assert found.name == f"projects/mesh-1/traces/{TRACE_ID}/spans/{span}"


STATUSES = [(200, 0), (302, 0), (400, 3), (401, 16), (403, 7), (404, 5), (409, 6), (418, 2), (429, 8), (499, 1), (500, 2), (503, 14), (504, 4), (101, 2)]  # fmt: skip


@pytest.mark.parametrize(("http", "code"), STATUSES)
def test_a_status_is_the_one_of_http(http: int, code: int) -> None:
    found = written(span_row(http_status_code=http))
    assert found.status.code == code
    assert found.attributes.attribute_map["/http/status_code"].int_value == http


def test_attributes_are_bounded_and_what_is_missing_is_counted() -> None:
    names = tuple(f"tag{number:02d}" for number in range(40))
    spec = InstanceSpec("span.instance.ns", TRACE_SPAN, names={"span_tags": names})
    found = written(span_row(tags=("v" * 300,) * 40, http_status_code=200), spec)
    assert len(found.attributes.attribute_map) == 32
    assert found.attributes.dropped_attributes_count == 9
    value = found.attributes.attribute_map["tag00"].string_value
    assert (len(value.value), value.truncated_byte_count) == (256, 44)


async def test_rows_are_spans(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [SPAN])
    handler.report([ReportBatch(SPAN, [span_row(), span_row(span_id="00000000000000ff")])])
    await ended(handler, background)
    assert [span.span_id for span in server.traces.spans] == [SPAN_ID, "00000000000000ff"]
    assert server.calls[0].metadata["x-goog-request-params"] == "name=projects/mesh-1"
    assert background.counted("sent") == {"": 2}


NONE = [
    {"trace_id": ""},
    {"trace_id": "x" * 32},
    {"trace_id": "0" * 32},
    {"span_id": ""},
    {"span_id": "x" * 16},
    {"trace_id": None},
]


async def test_a_row_without_a_valid_id_makes_no_span(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [SPAN])
    handler.report([ReportBatch(SPAN, [span_row(**changes) for changes in NONE])])
    await ended(handler, background)
    assert not server.calls
    assert background.counted("dropped") == {"untraced": len(NONE)}


MISFITS = [{"end_time": Timestamp(T0 - 1)}, {"start_time": None}, {"start_time": Timestamp(-1)}, {"tags": ("GET",)}]


async def test_rows_that_do_not_fit_are_told_and_the_others_are_sent(server: StackdriverServer) -> None:
    background = Background()
    handler = handler_of(server, background, [SPAN])
    with pytest.raises(ValueError, match=r"span.instance.ns: ") as told:
        handler.report([ReportBatch(SPAN, [*(span_row(**changes) for changes in MISFITS), span_row()])])
    assert "1 tags do not fit the 4" in str(told.value)
    await ended(handler, background)
    assert len(server.traces.spans) == 1
    assert background.counted("dropped") == {"misfit": len(MISFITS)}


async def test_without_a_share_nothing_is_sent_which_is_told(
    server: StackdriverServer, capsys: pytest.CaptureFixture[str]
) -> None:
    background = Background()
    handler = handler_of(server, background, [SPAN], trace=None)
    handler.report([ReportBatch(SPAN, [span_row()])])
    await ended(handler, background)
    assert not server.calls
    assert background.counted("dropped") == {"unsampled": 1}
    assert "no spans are sent: trace.sampleProbability is 0" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{3}, {0, 7, 8}, {9}, set(range(10))])
async def test_of_many_spans_those_that_are_refused_are_found(server: StackdriverServer, wrong: set[int]) -> None:
    """The service takes a request whole or not at all."""
    background = Background()
    handler = handler_of(server, background, [SPAN], projectId="mesh-1")
    names = [f"bad-{number}" if number in wrong else f"good-{number}" for number in range(10)]
    server.traces.refused = "bad"
    handler.report([ReportBatch(SPAN, [span_row(span_name=name) for name in names])])
    await ended(handler, background)
    assert sorted(span.display_name.value for span in server.traces.spans) == [name for name in names if "good" in name]
    assert background.counted("dropped") == {"invalid_argument": len(wrong)}


async def test_what_was_written_before_an_error_is_not_written_again(server: StackdriverServer) -> None:
    server.fail(BATCH_WRITE_SPANS, grpc.StatusCode.INVALID_ARGUMENT, "some are wrong")
    server.faults[BATCH_WRITE_SPANS] += [None, Refusal(grpc.StatusCode.UNAVAILABLE, "not now")]
    background = Background()
    handler = handler_of(server, background, [SPAN])
    handler.report([ReportBatch(SPAN, [span_row(span_name=name) for name in "abcd"])])
    await ended(handler, background)
    assert [span.display_name.value for span in server.traces.spans] == ["a", "b", "c", "d"]
    assert background.counted("sent") == {"": 4}


WHOLE = [  # what stands in the field of the trace's ID, and the IDs of trace, span and parent
    (f"00-{TRACE_ID}-{SPAN_ID}-01", TRACE_ID, SPAN_ID, ""),
    (f"{TRACE_ID}-{SPAN_ID}-1-{PARENT_ID}", TRACE_ID, SPAN_ID, PARENT_ID),
    (f"{TRACE_ID[16:]}-{SPAN_ID}", TRACE_ID[16:].zfill(32), SPAN_ID, ""),
]


@pytest.mark.parametrize(("header", "trace", "span", "parent"), WHOLE)
def test_ids_come_from_whole_headers_too(header: str, trace: str, span: str, parent: str) -> None:
    found = written(span_row(trace_id=header, span_id="", parent_span_id=""))
    assert found.name == f"projects/mesh-1/traces/{trace}/spans/{span}"
    assert found.parent_span_id == parent


async def test_the_callers_decision_holds_and_without_one_the_share_decides(server: StackdriverServer) -> None:
    low, high = "0" * 31 + "1", "f" * 32
    rows = [f"{low}-{SPAN_ID}-0", f"{high}-{SPAN_ID}-1", low, high]
    background = Background()
    handler = handler_of(server, background, [SPAN], trace={"sampleProbability": 0.5})
    handler.report([ReportBatch(SPAN, [span_row(trace_id=each) for each in rows])])
    await ended(handler, background)
    assert [span.name.split("/")[3] for span in server.traces.spans] == [high, low]
    assert background.counted("dropped") == {"unsampled": 2}


async def test_what_is_refused_is_counted_and_what_may_pass_is_tried_again(server: StackdriverServer) -> None:
    server.fail(BATCH_WRITE_SPANS, grpc.StatusCode.UNAVAILABLE, "not now")
    server.fail(BATCH_WRITE_SPANS, grpc.StatusCode.PERMISSION_DENIED, "no right")
    background = Background()
    handler = handler_of(server, background, [SPAN])
    handler.report([ReportBatch(SPAN, [span_row(), span_row()])])
    await until(lambda: len(server.calls) == 2)
    handler.report([ReportBatch(SPAN, [span_row()])])
    await ended(handler, background)
    assert len(server.traces.spans) == 1
    assert background.counted("dropped") == {"permission_denied": 2}


@given(st.text(st.characters(), max_size=200), st.lists(st.text(st.characters(), max_size=400), min_size=4, max_size=4))
def test_whatever_a_row_holds_the_service_takes_its_span(name: str, tags: list[str]) -> None:
    found = written(span_row(span_name=name, tags=tuple(tags)))
    assert list(faults_of("projects/mesh-1", found)) == []


async def edges_of(server: StackdriverServer, *rows: tuple[Any, ...], **changes: Any) -> tuple[list[Any], Background]:
    """The payloads of entries that rows make, with their labels and resource."""
    background = Background()
    handler = handler_of(server, background, [EDGES], **changes)
    try:
        handler.report([ReportBatch(EDGES, rows)])
    finally:
        await ended(handler, background)
    return server.logs.entries, background


async def test_an_edge_is_one_entry_however_often_it_is_seen(server: StackdriverServer) -> None:
    later = Timestamp(T0 + 5_000_000_000)
    found, background = await edges_of(
        server, edge_row(), edge_row(timestamp=later), edge_row(destination_workload_name="pay"), edge_row()
    )
    first, second = found
    hold_to(GOLDEN / "stackdriver_edge.json", json_format.MessageToJson(first.json_payload, sort_keys=True) + "\n")
    assert second.json_payload["destination"]["workload_name"] == "pay"
    assert first.timestamp.ToNanoseconds() == later
    assert first.log_name == "projects/mesh-1/logs/mesh-edges"
    assert dict(first.labels) == {"mesh_uid": "mesh-1/europe-west1-b/east"}
    assert (first.resource.type, first.resource.labels["cluster_name"]) == ("k8s_cluster", "east")
    assert background.counted("sent") == {"": 4}


PROTOCOLS = [
    ("http", "grpc", "http"),
    ("tcp", "", "tcp"),
    ("grpc", "grpc", "grpc"),
    ("other", "https", "https"),
    ("x", "", "x"),
]


@pytest.mark.parametrize(("context", "api", "wanted"), PROTOCOLS)
async def test_the_protocol_is_the_one_of_1_4(server: StackdriverServer, context: str, api: str, wanted: str) -> None:
    found, _ = await edges_of(server, edge_row(context_protocol=context, api_protocol=api), meshUid="mesh")
    assert found[0].json_payload["protocol"] == wanted
    assert found[0].labels["mesh_uid"] == "mesh"


async def test_the_number_of_edges_is_bounded(server: StackdriverServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "MOST_EDGES", 2)
    rows = [edge_row(source_uid=f"kubernetes://web-{number}.shop") for number in (1, 2, 3, 1)]
    found, background = await edges_of(server, *rows)
    assert len(found) == 2
    assert background.counted("sent") == {"": 3}
    assert background.counted("dropped") == {"cardinality": 1}


async def test_a_row_of_another_length_is_told(server: StackdriverServer) -> None:
    with pytest.raises(ValueError, match="12 fields do not fit"):
        await edges_of(server, edge_row()[:-1], edge_row())
    assert len(server.logs.entries) == 1


async def test_of_many_edges_one_is_refused_by_its_number_of_calls(server: StackdriverServer) -> None:
    server.fail("/google.logging.v2.LoggingServiceV2/WriteLogEntries", grpc.StatusCode.PERMISSION_DENIED, "no right")
    found, background = await edges_of(server, edge_row(), edge_row(), edge_row(source_uid="other"))
    assert not found
    assert background.counted("dropped") == {"permission_denied": 3}
