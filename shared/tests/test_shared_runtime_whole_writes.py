"""A stream is ended behind its last message, never inside of it, and not held up by a peer that reads nothing."""

from __future__ import annotations

import asyncio

import pytest

from flotilla_shared.runtime import whole_writes
from flotilla_shared.runtime.whole_writes import WholeWrites


class Reader:
    """A peer that takes a message when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.reads = asyncio.Event()
        self.got: list[str] = []

    async def write(self, message: str) -> None:
        self.begun.set()
        await self.reads.wait()
        self.got.append(message)


async def test_finish_waits_for_the_message_under_way() -> None:
    reader = Reader()
    writes = WholeWrites(reader.write)
    writing = asyncio.create_task(writes.write("a"))
    await reader.begun.wait()
    finishing = asyncio.create_task(writes.finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    reader.reads.set()
    await finishing
    assert reader.got == ["a"]
    await writing


async def test_finish_is_at_once_where_nothing_is_written() -> None:
    writes = WholeWrites(Reader().write)
    finishing = asyncio.create_task(writes.finish())
    await asyncio.wait_for(finishing, 30)


async def test_a_peer_that_reads_nothing_does_not_keep_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_writes, "LAST_WRITE_SECONDS", 0.01)
    reader = Reader()
    writes = WholeWrites(reader.write)
    writing = asyncio.create_task(writes.write("a"))
    await reader.begun.wait()
    await writes.finish()
    assert not writing.done()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_messages_are_written_one_after_another() -> None:
    reader = Reader()
    writes = WholeWrites(reader.write)
    both = [asyncio.create_task(writes.write(name)) for name in "ab"]
    await reader.begun.wait()
    reader.begun.clear()
    await asyncio.sleep(0)
    assert not reader.begun.is_set()
    reader.reads.set()
    await asyncio.gather(*both)
    assert reader.got == ["a", "b"]


async def test_a_failed_write_is_the_writers_and_the_next_goes_on() -> None:
    async def broken(message: str) -> None:
        raise ConnectionError(message)

    writes = WholeWrites(broken)
    for name in "ab":
        with pytest.raises(ConnectionError, match=name):
            await writes.write(name)
    await writes.finish()
