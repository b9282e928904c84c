"""When calls become a batch: they wait for each other while they keep coming, and never for long. And what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from flotilla_shared.runtime.batches import MOST_TURNS, QUIET_TURNS, BatchFunction, BatchHandler, Call
from flotilla_shared.runtime.open_calls import OpenCalls
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.tallies import TallyBounds


class Context:
    """As much of a `grpc.aio.ServicerContext` as a batch asks for."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("name", "value"),)

    def peer(self) -> str:
        return "ipv4:127.0.0.1:4000"

    def auth_context(self) -> dict[str, Any]:
        return {}

    def time_remaining(self) -> float | None:
        return 5.0


class Echo:
    """Answers each call with its message, and keeps the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, calls: Sequence[Call]) -> None:
        self.batches.append(len(calls))
        for call in calls:
            call.answer(call.message)


def handler_of(function: BatchFunction) -> BatchHandler:
    return BatchHandler("/x/y", function, OpenCalls(), TallyBounds())


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_call_alone_waits_for_a_few_turns() -> None:
    echo = Echo()
    asked = asyncio.ensure_future(handler_of(echo).serve(b"one", Context()))
    await turns(QUIET_TURNS)
    assert echo.batches == []
    await turns(3)
    assert echo.batches == [1]
    assert await asked == b"one"


async def test_calls_that_keep_coming_are_one_batch() -> None:
    echo, asked = Echo(), []
    handler = handler_of(echo)
    for number in range(5):
        asked.append(asyncio.ensure_future(handler.serve(b"%d" % number, Context())))
        await turns(QUIET_TURNS // 2)
        assert echo.batches == []
    assert await asyncio.gather(*asked) == [b"0", b"1", b"2", b"3", b"4"]
    assert echo.batches == [5]


async def test_calls_that_never_stop_coming_are_not_kept_waiting() -> None:
    echo, asked = Echo(), []
    handler = handler_of(echo)
    for number in range(2 * MOST_TURNS):
        asked.append(asyncio.ensure_future(handler.serve(b"%d" % number, Context())))
        await turns(1)
    await asyncio.gather(*asked)
    assert sum(echo.batches) == 2 * MOST_TURNS
    assert len(echo.batches) >= 2
    assert max(echo.batches) <= MOST_TURNS + 2


async def test_a_call_that_comes_after_a_batch_begins_the_next() -> None:
    echo = Echo()
    handler = handler_of(echo)
    assert await handler.serve(b"one", Context()) == b"one"
    assert await handler.serve(b"two", Context()) == b"two"
    assert echo.batches == [1, 1]


async def test_what_a_function_is_told_of_a_call() -> None:
    heard: list[Call] = []

    def keep(calls: Sequence[Call]) -> None:
        heard.extend(calls)
        for call in calls:
            call.answer(b"")

    await handler_of(keep).serve(b"message", Context())
    (call,) = heard
    assert (call.method, call.message, call.metadata) == ("/x/y", b"message", (("name", "value"),))
    assert call.peer.address == "127.0.0.1:4000"
    assert call.deadline is not None
    assert call.deadline <= 5.0
    assert call.done
    assert not call.failed


async def test_what_has_become_of_calls_is_counted() -> None:
    """By a server of grpc.aio, as by the native front."""
    asked = asyncio.Event()

    def some(calls: Sequence[Call]) -> None:
        for call in calls:
            if call.message == b"fail":
                call.fail(grpc.StatusCode.UNAVAILABLE, "not today")
            elif call.message != b"wait":
                call.answer(b"answer")
        asked.set()

    bounds = TallyBounds((1e9,), (5.0,))
    server = GrpcServer("127.0.0.1", batch={"/x/y": some, "/x/z": some}, bounds=bounds, front="grpc")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.bound_port}") as channel:
        call = channel.unary_unary("/x/y")
        for message in (b"short", b"longer"):
            assert await call(message) == b"answer"
        with pytest.raises(grpc.aio.AioRpcError, match="not today"):
            await call(b"fail")
        asked.clear()
        lost = call(b"wait")
        async with asyncio.timeout(10):
            await asked.wait()
            lost.cancel()
            while (found := server.tallies()[0]).completed.get("CANCELLED") != 1:  # nothing tells of it
                await asyncio.sleep(0.01)
    await server.stop()
    assert found.completed == {"OK": 2, "UNAVAILABLE": 1, "CANCELLED": 1}
    assert (found.method, found.received, found.sent) == ("/x/y", ([3, 1], 19.0), ([0, 2], 12.0)), "sent: answers alone"
    assert (sum(found.milliseconds[0]), found.milliseconds[1] > 0) == (4, True)
    assert server.tallies()[1].completed == {}


async def test_a_server_that_stops_waits_for_the_end_of_calls() -> None:
    kept: list[Call] = []
    server = GrpcServer("127.0.0.1", batch={"/x/y": kept.extend}, front="grpc", grace_seconds=0)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.bound_port}") as channel:
        asked = asyncio.ensure_future(channel.unary_unary("/x/y")(b""))
        async with asyncio.timeout(10):
            while not kept:
                await asyncio.sleep(0.001)
        await server.stop()
        assert kept[0].done, "cancelled, and nothing of it is left"
        with pytest.raises(grpc.aio.AioRpcError):
            await asked
