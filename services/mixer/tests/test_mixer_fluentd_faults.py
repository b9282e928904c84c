"""The fluentd adapter and servers that are slow, forgetful, rude or away: nothing is lost that is not counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from flotilla_mixer.testing.fluentd_handler import MOMENT, access, access_record, fluentd_handler, tagged
from flotilla_mixer.testing.fluentd_receiver import (
    ForwardReceiver,
    acknowledge,
    acknowledge_another,
    acknowledge_never,
)
from flotilla_mixer.testing.handlers import Background

NUMBERS = list(range(2500))
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def receiver() -> AsyncIterator[ForwardReceiver]:
    found = ForwardReceiver()
    await found.start()
    yield found
    await found.stop()
    assert found.wrong == []


@asynccontextmanager
async def sending(
    receiver: ForwardReceiver, grace: float = 20.0, **changes: Any
) -> AsyncIterator[tuple[Any, Background]]:
    """A handler; at the end it is closed as Mixer closes it."""
    background = Background()
    handler = fluentd_handler(changes.pop("address", receiver.address), background, **changes)
    try:
        yield handler, background
    finally:
        await background.stop(grace)
        await handler.close()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def numbers(receiver: ForwardReceiver) -> list[int]:
    return [entry.record["number"] for entry in receiver.entries]


async def test_what_is_reported_arrives_in_order_and_is_acknowledged(receiver: ForwardReceiver) -> None:
    async with sending(receiver) as (handler, background):
        handler.report([access(NUMBERS)])
        await receiver.until(lambda: len(receiver.entries) == len(NUMBERS))
    assert [entry.record for entry in receiver.entries] == [access_record(number) for number in NUMBERS]
    assert [entry.moment - MOMENT for entry in receiver.entries] == NUMBERS
    assert receiver.connections == 1
    assert [len(message.entries) for message in receiver.messages] == [1000, 1000, 500]
    assert {message.mode for message in receiver.messages} == {"PackedForward"}
    assert (background.counted("sent"), background.counted("dropped")) == ({"": len(NUMBERS)}, {})


async def test_a_message_for_each_tag(receiver: ForwardReceiver) -> None:
    async with sending(receiver) as (handler, _):
        handler.report([tagged(("a", 1), ("b", 2), ("a", 3)), access([4])])
        await receiver.until(lambda: len(receiver.entries) == 4)
    found = [(message.tag, [entry.record["number"] for entry in message.entries]) for message in receiver.messages]
    assert found == [("a", [1, 3]), ("b", [2]), ("access.instance.ns", [4])]
    assert len({message.chunk for message in receiver.messages}) == 3


@pytest.mark.parametrize("acknowledged", [True, False])
async def test_compressed(receiver: ForwardReceiver, acknowledged: bool) -> None:
    async with sending(receiver, compression="GZIP", requireAckResponse=acknowledged) as (handler, _):
        handler.report([access(NUMBERS)])
        await receiver.until(lambda: len(receiver.entries) == len(NUMBERS))
    assert numbers(receiver) == NUMBERS
    assert {message.mode for message in receiver.messages} == {"CompressedPackedForward"}
    assert len(receiver.raw) < 20 * len(NUMBERS)


async def test_without_acknowledgements_nobody_waits_for_one(receiver: ForwardReceiver) -> None:
    async with sending(receiver, requireAckResponse=False) as (handler, background):
        handler.report([access(NUMBERS)])
        await receiver.until(lambda: len(receiver.entries) == len(NUMBERS))
        await until(lambda: background.counted("sent") == {"": len(NUMBERS)})
    assert {message.chunk for message in receiver.messages} == {""}


async def test_batches_by_size(receiver: ForwardReceiver) -> None:
    async with sending(receiver, maxBatchSizeBytes=500) as (handler, _):
        handler.report([access(range(50))])
        await receiver.until(lambda: len(receiver.entries) == 50)
    assert numbers(receiver) == list(range(50))
    assert {len(message.entries) for message in receiver.messages[:-1]} <= {4, 5, 6}


async def test_batches_by_time(receiver: ForwardReceiver) -> None:
    """What comes within the interval goes together, at its end or when the handler ends."""
    async with sending(receiver, pushIntervalDuration="600s") as (handler, background):
        for number in range(10):
            handler.report([access([number])])
            await asyncio.sleep(0)
        assert background.counted("waiting") == {"": 10}
    assert [len(message.entries) for message in receiver.messages] == [10]


async def test_rows_that_do_not_fit_do_not_take_the_others(receiver: ForwardReceiver) -> None:
    async with sending(receiver) as (handler, background):
        batch = access([1, 2**70, 2])
        with pytest.raises(ValueError, match=r"access\.instance\.ns has no entry"):
            handler.report([batch])
        await receiver.until(lambda: len(receiver.entries) == 2)
    assert numbers(receiver) == [1, 2]
    assert background.counted("dropped") == {"misfit": 1}


async def test_more_than_may_wait_is_dropped_in_1_4s_words(receiver: ForwardReceiver) -> None:
    async with sending(receiver, instanceBufferSize=3) as (handler, background):
        with pytest.raises(ValueError, match="fluentd instance buffer full; dropping log entry"):
            handler.report([access(range(10))])
    assert numbers(receiver) == [0, 1, 2]
    assert background.counted("dropped") == {"full": 7}


# acknowledgements


async def test_without_its_acknowledgement_a_batch_is_sent_again_as_it_was(receiver: ForwardReceiver) -> None:
    receiver.answer = acknowledge_never
    async with sending(receiver, pushTimeoutDuration="0.2s") as (handler, background):
        handler.report([access(range(5))])
        await receiver.until(lambda: len(receiver.messages) == 2)
        assert background.counted("sent") == {}
        receiver.answer = acknowledge
        await until(lambda: background.counted("sent") == {"": 5})
    assert len({message.chunk for message in receiver.messages}) == 1
    assert {tuple(numbers(receiver)[i : i + 5]) for i in range(0, len(receiver.entries), 5)} == {(0, 1, 2, 3, 4)}
    assert receiver.connections == len(receiver.messages), "what a connection may still say would be another's"
    assert background.counted("retries").keys() == {"timeout"}


async def test_what_was_acknowledged_is_not_sent_again(receiver: ForwardReceiver) -> None:
    """Of two messages the first is acknowledged; the second alone is sent again, under its chunk."""
    answered: list[str] = []

    async def first_only(found: ForwardReceiver, chunk: str) -> bytes:
        answered.append(chunk)
        return b"" if len(answered) == 2 else await acknowledge(found, chunk)

    receiver.answer = first_only
    async with sending(receiver, pushTimeoutDuration="0.3s") as (handler, background):
        handler.report([tagged(("a", 1), ("b", 2), ("b", 3))])
        await until(lambda: background.counted("sent") == {"": 3})
    assert [message.tag for message in receiver.messages] == ["a", "b", "b"]
    assert answered[1] == answered[2] != answered[0]


async def test_an_acknowledgement_of_something_else_is_none(receiver: ForwardReceiver) -> None:
    receiver.answer = acknowledge_another
    async with sending(receiver) as (handler, background):
        handler.report([access([1])])
        await receiver.until(lambda: len(receiver.messages) == 2)
        receiver.answer = acknowledge
        await until(lambda: background.counted("sent") == {"": 1})
    assert background.counted("retries").keys() == {"protocol"}


ANSWERS = [
    b"\xc1",
    b"\x81\xa3nak\x01",
    b"\x81\xa3ack\x07",
    b"\x93\x01\x02\x03",
    b"HTTP/1.1 400 Bad Request\r\n",
    b"\xdb\xff\xff\xff\xff" + bytes(9000),
]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_answers_that_are_none_cost_nothing(receiver: ForwardReceiver, answer: bytes) -> None:
    answers = [answer]

    async def rude(found: ForwardReceiver, chunk: str) -> bytes:
        return answers.pop() if answers else await acknowledge(found, chunk)

    receiver.answer = rude
    async with sending(receiver) as (handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("sent") == {"": 1})
    assert numbers(receiver) == [1, 1]
    assert background.counted("retries") == {"protocol": 1}


async def test_acknowledgements_in_pieces_and_in_another_order(receiver: ForwardReceiver) -> None:
    waiting: list[str] = []

    async def last_first(found: ForwardReceiver, chunk: str) -> bytes:
        waiting.insert(0, chunk)
        if len(waiting) < 3:
            return b""
        return b"".join([await acknowledge(found, each) for each in waiting])

    receiver.answer = last_first
    async with sending(receiver) as (handler, background):
        handler.report([tagged(("a", 1), ("b", 2), ("c", 3))])
        await until(lambda: background.counted("sent") == {"": 3})
    assert numbers(receiver) == [1, 2, 3]


# connections


@pytest.mark.parametrize("after", [0, 1, 10_000, 50_000])
async def test_a_connection_that_is_cut_within_a_batch(receiver: ForwardReceiver, after: int) -> None:
    receiver.cut_after = after
    async with sending(receiver) as (handler, background):
        handler.report([access(NUMBERS)])
        await until(lambda: background.counted("sent") == {"": len(NUMBERS)})
    assert numbers(receiver) == NUMBERS, "what was cut was not whole, so nobody has it twice"
    assert receiver.connections == 2


async def test_a_server_that_reads_slowly_holds_nobody_up_and_loses_nothing(receiver: ForwardReceiver) -> None:
    receiver.flows.clear()
    async with sending(receiver) as (handler, background):
        for begin in range(0, 15_000, 500):
            handler.report([access(range(begin, begin + 500))])
            await asyncio.sleep(0)
        assert background.counted("waiting") == {"": 15_000}
        receiver.flows.set()
        await until(lambda: background.counted("sent") == {"": 15_000})
    assert numbers(receiver) == list(range(15_000))


async def test_a_server_that_closes_idle_connections(receiver: ForwardReceiver) -> None:
    async with sending(receiver) as (handler, background):
        for number in range(3):
            handler.report([access([number])])
            await until(lambda: background.counted("sent") == {"": number + 1})  # noqa: B023
            await receiver.stop()
            await receiver.start()
    assert numbers(receiver) == [0, 1, 2]
    assert background.counted("retries") == {}, "that it is closed is seen before anything is sent"


async def test_a_server_that_is_away_and_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    receiver = ForwardReceiver()
    await receiver.start()
    await receiver.stop()
    async with sending(receiver) as (handler, background):
        handler.report([access(range(50))])
        await until(lambda: background.counted("retries"))
        await receiver.start()
        await until(lambda: background.counted("sent") == {"": 50})
    await receiver.stop()
    assert background.counted("retries").keys() == {"unreachable"}
    assert f"127.0.0.1:{receiver.port}" in capsys.readouterr().out


async def test_a_name_that_leads_nowhere_is_an_error_and_no_crash(receiver: ForwardReceiver) -> None:
    async with sending(receiver, grace=0, address="no.such.invalid:1") as (handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
    assert background.counted("dropped") == {"closing": 1}


async def test_at_its_end_what_waits_is_sent_and_the_rest_counted(receiver: ForwardReceiver) -> None:
    async with sending(receiver, pushIntervalDuration="600s") as (handler, background):
        handler.report([access(range(900))])
    assert (len(receiver.entries), background.counted("sent")) == (900, {"": 900})
    receiver.answer = acknowledge_never
    async with sending(receiver, grace=0.2) as (handler, background):
        handler.report([access(range(900))])
    assert background.counted("dropped") == {"closing": 900}


async def test_a_connection_is_old_after_ten_minutes(
    receiver: ForwardReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flotilla_mixer.adapters.fluentd.forwarder.CONNECTION_SECONDS", 0.0)
    async with sending(receiver) as (handler, background):
        for number in range(3):
            handler.report([access([number])])
            await until(lambda: background.counted("sent") == {"": number + 1})  # noqa: B023
    assert receiver.connections == 3
    assert background.counted("backend_errors") == {}


# several servers


async def test_when_the_first_server_is_away_the_next_one_gets_it(receiver: ForwardReceiver) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # nobody listens
        away = f"127.0.0.1:{probe.getsockname()[1]}"
        async with sending(receiver, address=away, standbyAddresses=[away, receiver.address]) as (handler, background):
            handler.report([access(NUMBERS)])
            await until(lambda: background.counted("sent") == {"": len(NUMBERS)})
    assert numbers(receiver) == NUMBERS
    assert (receiver.connections, background.counted("retries")) == (1, {})


async def test_a_server_that_hangs_is_left_for_the_next_one(receiver: ForwardReceiver) -> None:
    hanging = ForwardReceiver()
    hanging.answer = acknowledge_never
    await hanging.start()
    more = {"address": hanging.address, "standbyAddresses": [receiver.address], "pushTimeoutDuration": "0.3s"}
    async with sending(receiver, **more) as (handler, background):
        handler.report([access(range(5))])
        await until(lambda: background.counted("sent") == {"": 5})
    await hanging.stop()
    assert (len(hanging.entries), len(receiver.entries)) == (5, 5)
    assert background.counted("retries") == {"timeout": 1}


async def test_the_first_server_gets_entries_again_when_it_is_back(
    receiver: ForwardReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ForwardReceiver()
    await first.start()
    await first.stop()
    async with sending(receiver, address=first.address, standbyAddresses=[receiver.address]) as (handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("sent") == {"": 1})
        await first.start()
        handler.report([access([2])])
        await until(lambda: background.counted("sent") == {"": 2})
        monkeypatch.setattr(handler._forwarder, "_until", 0.0)  # the connection is old
        handler.report([access([3])])
        await until(lambda: background.counted("sent") == {"": 3})
    await first.stop()
    assert (numbers(receiver), numbers(first)) == ([1, 2], [3])
