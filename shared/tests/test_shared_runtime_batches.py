"""When calls become a batch: they wait for each other while they keep coming, and never for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from flotilla_shared.runtime.batches import MOST_TURNS, QUIET_TURNS, BatchHandler, Call


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


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_call_alone_waits_for_a_few_turns() -> None:
    echo = Echo()
    asked = asyncio.ensure_future(BatchHandler("/x/y", echo).serve(b"one", Context()))
    await turns(QUIET_TURNS)
    assert echo.batches == []
    await turns(3)
    assert echo.batches == [1]
    assert await asked == b"one"


async def test_calls_that_keep_coming_are_one_batch() -> None:
    echo, asked = Echo(), []
    handler = BatchHandler("/x/y", echo)
    for number in range(5):
        asked.append(asyncio.ensure_future(handler.serve(b"%d" % number, Context())))
        await turns(QUIET_TURNS // 2)
        assert echo.batches == []
    assert await asyncio.gather(*asked) == [b"0", b"1", b"2", b"3", b"4"]
    assert echo.batches == [5]


async def test_calls_that_never_stop_coming_are_not_kept_waiting() -> None:
    echo, asked = Echo(), []
    handler = BatchHandler("/x/y", echo)
    for number in range(2 * MOST_TURNS):
        asked.append(asyncio.ensure_future(handler.serve(b"%d" % number, Context())))
        await turns(1)
    await asyncio.gather(*asked)
    assert sum(echo.batches) == 2 * MOST_TURNS
    assert len(echo.batches) >= 2
    assert max(echo.batches) <= MOST_TURNS + 2


async def test_a_call_that_comes_after_a_batch_begins_the_next() -> None:
    echo = Echo()
    handler = BatchHandler("/x/y", echo)
    assert await handler.serve(b"one", Context()) == b"one"
    assert await handler.serve(b"two", Context()) == b"two"
    assert echo.batches == [1, 1]


async def test_what_a_function_is_told_of_a_call() -> None:
    heard: list[Call] = []

    def keep(calls: Sequence[Call]) -> None:
        heard.extend(calls)
        for call in calls:
            call.answer(b"")

    await BatchHandler("/x/y", keep).serve(b"message", Context())
    (call,) = heard
    assert (call.method, call.message, call.metadata) == ("/x/y", b"message", (("name", "value"),))
    assert call.peer.address == "127.0.0.1:4000"
    assert call.deadline is not None
    assert call.deadline <= 5.0
    assert call.done
    assert not call.failed
