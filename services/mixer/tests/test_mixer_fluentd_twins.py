"""The same entries by clients of Fluentd's own organisation and by the adapter: a receiver reads the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from fluent.sender import EventTime, FluentSender

from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.fluentd_client import send_by_fluent_client
from flotilla_mixer.testing.fluentd_entries import FluentdEntry
from flotilla_mixer.testing.fluentd_handler import TAGGED, fluentd_handler
from flotilla_mixer.testing.fluentd_messages import Security
from flotilla_mixer.testing.fluentd_receiver import ForwardReceiver
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Timestamp

KEY = "shared by both"
LOOPS = {"uvloop": uvloop.new_event_loop}
MOMENT = 1_767_225_600_123_456_789
EVENTS: list[dict[str, Any]] = [
    {"number": 1},
    {"number": -1},
    {"number": 2**40},
    {"number": -(2**40)},
    {"number": 0.5},
    {"number": True},
    {"number": "text é \n \x00 日本"},
    {"number": "x" * 70_000},
    {"number": {"app": "ratings", "version": ""}},
]
ENTRIES = [
    FluentdEntry(tag, MOMENT + place, {**record, "name": TAGGED.name, "severity": "info"})
    for tag in ("a", "b.c")
    for place, record in enumerate(EVENTS)
]


@pytest.fixture(params=[None, Security(KEY), Security(KEY, users={"mary": "password"})], ids=["plain", "key", "user"])
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[ForwardReceiver]:
    found = ForwardReceiver(request.param)
    await found.start()
    yield found
    await found.stop()
    assert found.wrong == []


async def ours(receiver: ForwardReceiver, folder: Path, **changes: Any) -> list[FluentdEntry]:
    """What the receiver has of the entries, sent by the adapter."""
    background, begin = Background(), len(receiver.entries)
    if receiver.security is not None:
        (folder / "key").write_text(KEY)
        changes |= {"sharedKeyFile": str(folder / "key")}
        if receiver.security.users:
            (folder / "password").write_text("password")
            changes |= {"username": "mary", "passwordFile": str(folder / "password")}
    handler = fluentd_handler(receiver.address, background, **changes)
    rows = [(Timestamp(each.moment), "info", None, (each.record["number"], each.tag), ()) for each in ENTRIES]
    handler.report([ReportBatch(TAGGED, rows)])
    await background.stop(20)
    await handler.close()
    assert background.counted("sent") == {"": len(ENTRIES)}
    return receiver.entries[begin:]


@pytest.mark.real
@pytest.mark.parametrize("mode", ["PackedForward", "CompressedPackedForward"])
async def test_fluent_client(receiver: ForwardReceiver, tmp_path: Path, mode: str) -> None:
    """npm's @fluent-org/logger: its messages are of the same mode with the same options, too."""
    security = {"clientHostname": "client.test", "sharedKey": KEY} if receiver.security else None
    if receiver.security and receiver.security.users and security:
        security |= {"username": "mary", "password": "password"}
    await asyncio.to_thread(send_by_fluent_client, tmp_path, receiver.port, ENTRIES, mode, security)
    theirs, their_messages = receiver.entries, receiver.messages[:]
    found = await ours(receiver, tmp_path, compression="GZIP" if mode.startswith("C") else "NONE")
    assert found == theirs == ENTRIES
    assert [each.mode for each in receiver.messages] == [mode] * 4
    shapes = [(each.tag, each.option.keys(), len(each.entries)) for each in receiver.messages]
    assert shapes[:2] == shapes[2:], f"{their_messages[0].option} {receiver.messages[-1].option}"


async def test_fluent_logger(tmp_path: Path) -> None:
    """PyPI's fluent-logger, which sends each entry by itself and knows no acknowledgements."""
    receiver = ForwardReceiver()
    await receiver.start()

    def send() -> None:
        with FluentSender("", port=receiver.port, nanosecond_precision=True) as sender:
            for entry in ENTRIES:
                assert sender.emit_with_time(entry.tag, EventTime.from_unix_nano(entry.moment), entry.record)

    await asyncio.to_thread(send)
    await receiver.until(lambda: len(receiver.entries) == len(ENTRIES))
    theirs = receiver.entries
    found = await ours(receiver, tmp_path)
    await receiver.stop()
    assert found == theirs == ENTRIES
    assert receiver.wrong == []
    assert {each.mode for each in receiver.messages} == {"Message", "PackedForward"}


def test_the_entries_are_those_of_an_instance() -> None:
    assert TAGGED.names == sample_spec(LOG_ENTRY, ("number", "tag")).names
