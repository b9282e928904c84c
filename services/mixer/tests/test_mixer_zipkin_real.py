"""The zipkin adapter against Zipkin itself: traces come back as they were. Outages: test_mixer_outages_real.py."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.zipkin.adapter import Zipkin
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.trace_context import rewritten
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.zipkin_server import ZipkinServer
from flotilla_shared.model.expressions import Timestamp

pytestmark = [pytest.mark.real, pytest.mark.slow]

SPEC = sample_spec(TRACE_SPAN, ("http.method", "odd"))
ADDRESSES = {"productpage": "10.0.0.1", "reviews": "10.0.0.2", "ratings": "10.0.0.3"}


@pytest.fixture(scope="module")
def zipkin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipkinServer]:
    found = ZipkinServer(tmp_path_factory.mktemp("zipkin"))
    found.start()
    yield found
    found.stop()


class Sending:
    def __init__(self, server: ZipkinServer, **params: Any) -> None:
        self.background = Background()
        given = {"url": server.url, "flushDuration": "0.05s", **params}
        self.handler = Zipkin().build(json_format.ParseDict(given, Zipkin().defaults()), [SPEC], self.background)

    def report(self, *rows: tuple[Any, ...]) -> None:
        self.handler.report([ReportBatch(SPEC, rows)])

    async def close(self) -> None:
        await self.background.stop(20)
        await self.handler.close()


async def until(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await asyncio.to_thread(what)):
            await asyncio.sleep(0.05)
    return found


def new_id(length: int) -> str:
    return secrets.token_hex(length)


def packed(service: str) -> bytes:
    return bytes(map(int, ADDRESSES[service].split(".")))


def call(
    trace: str, span: str, parent: str, ends: tuple[str, str], side: str, begin: int, **changes: Any
) -> tuple[Any, ...]:
    """A row of one side of a call; `begin` is in microseconds from now."""
    source, destination = ends
    start = (time.time_ns() // 1000 + begin) * 1000
    values = {
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": parent,
        "span_name": "get",
        "start_time": Timestamp(start),
        "end_time": Timestamp(start + 3_000_000),
        "http_status_code": 200,
        "client_span": side == "client",
        "source_name": source,
        "source_ip": packed(source),
        "destination_name": destination,
        "destination_ip": packed(destination),
        "request_total_size": 128,
        "response_total_size": 512,
        **changes,
    }
    return (*(values.get(name) for name in TRACE_SPAN.fields), ("GET", "é\x00\U0001f600"))


def two_calls(trace: str, **changes: Any) -> list[tuple[Any, ...]]:
    """productpage calls reviews, which calls ratings; both sides tell of each."""
    first, second = new_id(8), new_id(8)
    return [
        call(trace, *ids, ends, side, begin, **changes)
        for ids, ends, begin in (
            ((first, ""), ("productpage", "reviews"), 0),
            ((second, first), ("reviews", "ratings"), 1000),
        )
        for side in ("client", "server")
    ]


@pytest.mark.parametrize("length", [16, 8])
@pytest.mark.parametrize("encoding", ["JSON", "PROTO"])
async def test_a_trace_comes_back_with_links_endpoints_and_tags(
    zipkin: ZipkinServer, encoding: str, length: int
) -> None:
    trace = new_id(length)
    rows = two_calls(trace, rewrite_client_span_id=True)
    sending = Sending(zipkin, encoding=encoding)
    sending.report(*rows)
    await sending.close()
    found = await until(lambda: len(spans := zipkin.trace(trace)) == 4 and spans)
    by_id = {(span["id"], span["kind"]): span for span in found}
    first, second = rows[0][1], rows[2][1]
    for span, parent in ((first, None), (second, first)):
        client, server = by_id[rewritten(span), "CLIENT"], by_id[span, "SERVER"]
        assert (client.get("parentId"), server["parentId"]) == (parent, rewritten(span))
        assert client["localEndpoint"] == server["remoteEndpoint"]
        assert client["remoteEndpoint"] == server["localEndpoint"]
    client = by_id[rewritten(second), "CLIENT"]
    start = rows[2][TRACE_PLACES["start_time"]] // 1000
    assert client == {
        "traceId": trace,
        "id": rewritten(second),
        "parentId": first,
        "kind": "CLIENT",
        "name": "get",
        "timestamp": start,
        "duration": 3000,
        "localEndpoint": {"serviceName": "reviews", "ipv4": ADDRESSES["reviews"]},
        "remoteEndpoint": {"serviceName": "ratings", "ipv4": ADDRESSES["ratings"]},
        "annotations": [
            {"timestamp": start, "value": "Sent 128 bytes"},
            {"timestamp": start + 3000, "value": "Received 512 bytes"},
        ],
        "tags": {
            "http.method": "GET",
            "http.status_code": "200",
            "odd": "é\x00\U0001f600",
            "opencensus.status_description": "OK",
        },
    }


TRACE_PLACES = {name: place for place, name in enumerate(TRACE_SPAN.fields)}


@pytest.mark.parametrize("encoding", ["JSON", "PROTO"])
async def test_shared_spans_come_back_as_two_halves_of_one(zipkin: ZipkinServer, encoding: str) -> None:
    trace = new_id(16)
    rows = two_calls(trace)
    sending = Sending(zipkin, encoding=encoding, sharedSpans=True)
    sending.report(*rows)
    await sending.close()
    found = await until(lambda: len(spans := zipkin.trace(trace)) == 4 and spans)
    halves = {(span["id"], span["kind"]): (span.get("parentId"), span.get("shared", False)) for span in found}
    first, second = rows[0][1], rows[2][1]
    assert halves == {
        (first, "CLIENT"): (None, False),
        (first, "SERVER"): (None, True),
        (second, "CLIENT"): (first, False),
        (second, "SERVER"): (first, True),
    }


MANNERS: list[dict[str, Any]] = [{"rewrite": True}, {"shared": True}, {}]


@pytest.mark.parametrize("manner", MANNERS, ids=["rewritten", "shared", "alike"])
async def test_the_graph_has_the_right_edges(zipkin: ZipkinServer, manner: dict[str, Any]) -> None:
    """Each call counts once, although both sides tell of it; those that failed are known."""
    before = zipkin.edges()
    sending = Sending(zipkin, sharedSpans=manner.get("shared", False))
    traces = [new_id(16) for _ in range(5)]
    for trace in traces:
        status = 500 if trace == traces[0] else 200
        sending.report(*two_calls(trace, rewrite_client_span_id=manner.get("rewrite", False), http_status_code=status))
    await sending.close()
    await until(lambda: all(len(zipkin.trace(trace)) == 4 for trace in traces))
    after = zipkin.edges()
    grown = {edge: tuple(map(int.__sub__, after[edge], before.get(edge, (0, 0)))) for edge in after}
    assert grown == {("productpage", "reviews"): (5, 1), ("reviews", "ratings"): (5, 1)}


async def test_one_side_alone_gives_the_edge_too(zipkin: ZipkinServer) -> None:
    before, trace = zipkin.edges(), new_id(16)
    sending = Sending(zipkin)
    sending.report(two_calls(trace)[0])
    await sending.close()
    await until(lambda: zipkin.trace(trace))
    edge = ("productpage", "reviews")
    assert zipkin.edges()[edge][0] == before.get(edge, (0, 0))[0] + 1


async def test_a_call_between_applications_that_trace_themselves(zipkin: ZipkinServer) -> None:
    """Their header names the caller's own span; the called side's report is that span's other half, and the called
    application's span hangs below.
    """
    trace, calling, called = new_id(16), new_id(8), new_id(8)
    before = zipkin.edges()
    start = time.time_ns() // 1000
    told = {"traceId": trace, "name": "get", "timestamp": start, "duration": 5000}
    reviews = told | {"id": calling, "kind": "CLIENT", "localEndpoint": {"serviceName": "reviews"}}
    ratings = told | {"id": called, "parentId": calling, "localEndpoint": {"serviceName": "ratings"}, "kind": "SERVER"}
    httpx.post(f"{zipkin.url}/api/v2/spans", json=[reviews, ratings], trust_env=False).raise_for_status()
    sending = Sending(zipkin, sharedSpans=True)
    sending.report(call(f"00-{trace}-{calling}-01", "", "", ("reviews", "ratings"), "server", 1000))
    await sending.close()
    found = await until(lambda: len(spans := zipkin.trace(trace)) == 3 and spans)
    assert {(span["id"], span["kind"], span.get("parentId"), span.get("shared", False)) for span in found} == {
        (calling, "CLIENT", None, False),
        (calling, "SERVER", None, True),
        (called, "SERVER", calling, False),
    }
    edge = ("reviews", "ratings")
    assert zipkin.edges()[edge][0] > before.get(edge, (0, 0))[0]
