"""What a collector's answers mean for a handler: taken in part, tried again, waited for, or dropped and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from flotilla_mixer.adapters.otlp.answers import http_error, partial_success, retry_after
from flotilla_mixer.adapters.otlp.requests import LOGS
from flotilla_mixer.testing.otlp_handlers import Sending, calls, lines, spans, until
from flotilla_mixer.testing.otlp_receiver import Partial, Refusal
from flotilla_mixer.testing.otlp_server import OtlpServer

Code = grpc.StatusCode


@pytest.fixture
async def over_grpc() -> AsyncIterator[OtlpServer]:
    server = OtlpServer("grpc")
    await server.start()
    yield server
    await server.stop()
    assert server.receiver.wrong == []


@pytest.fixture
async def over_http() -> AsyncIterator[OtlpServer]:
    server = OtlpServer("http")
    await server.start()
    yield server
    await server.stop()
    assert server.receiver.wrong == []


@pytest.fixture(params=["grpc", "http"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[OtlpServer]:
    found = OtlpServer(request.param)
    await found.start()
    yield found
    await found.stop()
    assert found.receiver.wrong == []


async def test_all_signals_arrive(server: OtlpServer) -> None:
    async with Sending(server) as sending:
        sending.report(calls(1, 2), lines(3), spans(4))
        await sending.until("sent", {"": 9})
    names = {taken.path for taken in server.receiver.requests}
    assert names == {"/v1/metrics", "/v1/logs", "/v1/traces"}
    assert server.receiver.points("calls")[-1].as_int == 3


GRPC = [
    (Refusal(Code.UNAVAILABLE), "unreachable", True),
    (Refusal(Code.DEADLINE_EXCEEDED), "timeout", True),
    (Refusal(Code.CANCELLED), "busy", True),
    (Refusal(Code.ABORTED), "busy", True),
    (Refusal(Code.OUT_OF_RANGE), "busy", True),
    (Refusal(Code.DATA_LOSS), "busy", True),
    (Refusal(Code.RESOURCE_EXHAUSTED, delay=0.01), "busy", True),
    (Refusal(Code.RESOURCE_EXHAUSTED, delay=0), "busy", True),
    (Refusal(Code.RESOURCE_EXHAUSTED), "refused", False),
    (Refusal(Code.INVALID_ARGUMENT), "refused", False),
    (Refusal(Code.UNAUTHENTICATED), "refused", False),
    (Refusal(Code.PERMISSION_DENIED), "refused", False),
    (Refusal(Code.UNIMPLEMENTED), "refused", False),
    (Refusal(Code.INTERNAL), "refused", False),
    (Refusal(Code.UNKNOWN), "refused", False),
    (Refusal(Code.NOT_FOUND), "refused", False),
    (Refusal(Code.FAILED_PRECONDITION), "refused", False),
    (Refusal(Code.ALREADY_EXISTS), "refused", False),
]


@pytest.mark.parametrize(("refusal", "cause", "again"), GRPC, ids=lambda each: getattr(each, "code", each))
async def test_codes_of_grpc(over_grpc: OtlpServer, refusal: Refusal, cause: str, again: bool) -> None:
    await _answers(over_grpc, refusal, cause, again)


HTTP = [(429, True), (502, True), (503, True), (504, True), (400, False), (401, False), (404, False), (408, False),
        (413, False), (500, False), (501, False), (302, False)]  # fmt: skip


@pytest.mark.parametrize(("code", "again"), HTTP)
async def test_codes_of_http(over_http: OtlpServer, code: int, again: bool) -> None:
    await _answers(over_http, Refusal(code), "busy" if again else "refused", again)


async def _answers(server: OtlpServer, refusal: Refusal, cause: str, again: bool) -> None:
    """One refusal, then a yes."""
    server.receiver.answers.append(refusal)
    async with Sending(server) as sending:
        sending.report(lines(3))
        if again:
            await sending.until("sent", {"": 3})
            assert sending.counted("retries") == {cause: 1}
        else:
            await sending.until("dropped", {cause: 3})
            assert server.receiver.asked == 1
        assert sending.counted("backend_errors") == {cause: 1}


async def test_the_time_that_is_asked_for_is_waited(over_grpc: OtlpServer) -> None:
    """Longer than a batch is tried: it is given up at once."""
    over_grpc.receiver.answers.append(Refusal(Code.RESOURCE_EXHAUSTED, delay=3600))
    async with Sending(over_grpc) as sending:
        sending.report(lines(3))
        await sending.until("dropped", {"busy": 3})
    assert over_grpc.receiver.asked == 1


async def test_retry_after_is_waited(over_http: OtlpServer) -> None:
    over_http.receiver.answers.append(Refusal(503, delay=1))
    loop = asyncio.get_running_loop()
    async with Sending(over_http) as sending:
        begun = loop.time()
        sending.report(lines(3))
        await sending.until("sent", {"": 3})
        assert loop.time() - begun >= 1


WHEN = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
WAITS = [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0)]
NO_WAITS = [("", None), ("-1", None), ("soon", None), ("1.5", None), ("٣", None), ("9" * 5000, 999_999_999.0)]


@pytest.mark.parametrize(("text", "seconds"), [*WAITS, *NO_WAITS])
def test_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after(text, WHEN) == seconds


# taken in part


async def test_what_is_rejected_is_dropped_and_the_rest_is_sent(
    server: OtlpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.receiver.answers.append(Partial(2, "too old"))
    async with Sending(server) as sending:
        sending.report(lines(5))
        await sending.until("sent", {"": 3})
        assert sending.counted("dropped") == {"rejected": 2}
    assert server.receiver.asked == 1, "what is rejected is not sent again"
    assert "the collector rejected 2 of 5 log records: 'too old'" in capsys.readouterr().out


async def test_of_sums_those_are_counted_that_stand_for_most_rows(server: OtlpServer) -> None:
    server.receiver.answers.append(Partial(1))
    async with Sending(server) as sending:
        sending.report(calls(1), calls(1, 1, 1, code=404))
        await sending.until("dropped", {"rejected": 3})
        assert sending.counted("sent") == {"": 1}


async def test_a_warning_is_told_and_drops_nothing(server: OtlpServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.receiver.answers += [Partial(0, "this endpoint goes away")] * 3
    async with Sending(server) as sending:
        for sent in range(1, 4):
            sending.report(spans(1))
            await sending.until("sent", {"": sent})
        assert sending.counted("backend_errors") == {"warning": 1}
        assert sending.counted("dropped") == {}
    assert capsys.readouterr().out.count("this endpoint goes away") == 1, "at a limited rate"


@pytest.mark.parametrize(("told", "counted"), [(99, 5), (-1, 0), (5, 5)])
def test_no_more_is_rejected_than_was_sent(told: int, counted: int) -> None:
    response = LOGS.response()
    response.partial_success.rejected_log_records = told
    response.partial_success.error_message = "x" * 1000
    found = partial_success(LOGS, response, 5)
    assert found is not None
    assert (found.rejected, len(found.text)) == (counted, 200)
    assert partial_success(LOGS, LOGS.response(), 5) is None


def test_the_message_of_a_status_is_shown() -> None:
    kind = {"content-type": "application/x-protobuf"}
    assert "no such tenant" in str(
        http_error("https://c", 400, kind, Status(message="no such tenant").SerializeToString())
    )
    assert str(http_error("https://c", 400, kind, b"\xff\xff")) == "https://c answered 400: ''"
    assert "bad gateway" in str(http_error("https://c", 502, {}, b"bad gateway"))


async def test_sums_wait_for_a_collector_that_is_away(server: OtlpServer) -> None:
    code: Any = Code.UNAVAILABLE if "127.0.0.1:" in server.endpoint[:10] else 503
    server.receiver.always = Refusal(code)
    async with Sending(server, temporality="DELTA") as sending:
        sending.report(calls(1))
        await until(lambda: server.receiver.asked >= 2)
        sending.report(calls(2))
        assert sending.counted("waiting") == {"": 2}
        server.receiver.always = None
        await sending.until("sent", {"": 2})
    assert [point.as_int for point in server.receiver.points("calls")] in ([3], [1, 2])
