"""What else the kit gives to adapters: complaints, secrets, work that is waited for, a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from flotilla_mixer.kit.complaints import MOST_CAUSES, QUIET_SECONDS, Complaints
from flotilla_mixer.kit.counters import HandlerCounters
from flotilla_mixer.kit.environment import HandlerClosed
from flotilla_mixer.kit.secrets import LONGEST_BYTES, SecretError, SecretFile, SecretFolders
from flotilla_mixer.testing.handlers import NAME, Background
from flotilla_shared.runtime.metrics import ServiceMetrics


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def complaints(clock: Clock) -> tuple[Complaints, HandlerCounters]:
    counters = HandlerCounters(ServiceMetrics("mixer"))
    return Complaints(counters.of(NAME), clock), counters


def test_a_cause_is_told_once_in_a_while_with_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    found, counters = complaints(clock)
    for _ in range(5):
        found.say("away", "no answer", address="10.0.0.1:8125")
    found.say("full", "too many")
    said = capsys.readouterr().out
    assert (said.count("no answer"), said.count("too many"), said.count("10.0.0.1:8125")) == (1, 1, 1)
    clock.now += QUIET_SECONDS
    found.say("away", "no answer")
    assert "left_out=4" in capsys.readouterr().out
    assert counters.errors.labels(NAME, "away")._value.get() == 6


def test_what_works_again_is_told_once_and_the_next_complaint_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = complaints(Clock())
    found.over("works again")
    assert capsys.readouterr().out == ""
    found.say("away", "no answer")
    found.over("works again")
    found.over("works again")
    found.say("away", "no answer")
    said = capsys.readouterr().out
    assert (said.count("works again"), said.count("no answer")) == (1, 2)


def test_causes_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    found, counters = complaints(Clock())
    for number in range(MOST_CAUSES + 10):
        found.say(f"cause{number}", "odd")
    assert counters.errors.labels(NAME, "other")._value.get() == 10
    assert capsys.readouterr().out.count("odd") == MOST_CAUSES + 1


def test_a_secret_follows_its_file(tmp_path: Path) -> None:
    file, new = tmp_path / "token", tmp_path / "new"
    file.write_text("one\n")
    secret = SecretFile(file)
    assert (secret.read(), secret.version) == ("one", 1)
    assert (secret.read(), secret.version) == ("one", 1)
    new.write_text("two\n")
    new.replace(file)
    assert (secret.read(), secret.version) == ("two", 2)
    file.unlink()
    assert (secret.read(), secret.version) == ("two", 2), "until there is another"
    file.write_text("")
    assert secret.read() == "two"
    file.write_text("three")
    assert (secret.read(), secret.version) == ("three", 3)
    assert "three" not in repr(secret)


def test_a_secret_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    """A link to a folder is replaced, and the file has the same size and perhaps the same age."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "password").write_text(name[:5])
    (tmp_path / "data").symlink_to("first")
    secret = SecretFile(tmp_path / "data" / "password")
    assert secret.read() == "first"
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").replace(tmp_path / "data")
    assert secret.read() == "secon"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), ("", "is empty"), ("x" * (LONGEST_BYTES + 1), "is longer than")]
)
def test_a_secret_that_cannot_be(content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SecretError, match=said) as caught:
        SecretFile(file).read()
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/shadow", "must be below a folder of Mixer's setting secret_folders: /keep/one, /keep/two"),
        ("/keep/one/../shadow", "must be below a folder"),
        ("/keep/oneself", "must be below a folder"),
        ("keep/one/password", "must be named by its whole path"),
    ],
)
def test_handlers_name_no_file_that_is_not_kept_for_them(path: str, said: str) -> None:
    folders = SecretFolders(("/keep/one", "/keep/two/"))
    with pytest.raises(SecretError, match=said):
        folders.file(path)
    assert folders.file("/keep/one/password").path == Path("/keep/one/password")
    assert folders.file("/keep/two/a/../password").path == Path("/keep/two/password")


async def test_work_is_waited_for_and_daemons_are_not() -> None:
    background, done, begun = Background(), [], asyncio.Event()

    async def answer() -> None:
        begun.set()
        await asyncio.sleep(0.01)
        done.append("answered")

    async def for_ever() -> None:
        await asyncio.Event().wait()

    background.work(answer(), "answer")
    background.spawn(for_ever(), "look")
    assert (background.counted("workers"), background.counted("daemons")) == ({"": 1}, {"": 1})
    await begun.wait()
    await background.stop(10)
    assert done == ["answered"]
    await asyncio.sleep(0)
    assert (background.counted("workers"), background.counted("daemons")) == ({}, {})


async def test_work_that_takes_too_long_is_ended() -> None:
    background, ended = Background(), []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    background.work(for_ever(), "answer")
    await asyncio.sleep(0)
    await background.stop(0.01)
    assert ended == [True]


async def test_calls_that_block_have_one_thread_of_their_own() -> None:
    background, seen = Background(), []

    def block(number: int, *, more: int) -> int:
        seen.append(threading.current_thread().name)
        time.sleep(0.001)
        return number + more

    assert await asyncio.gather(*(background.in_thread(block, number, more=1) for number in range(3))) == [1, 2, 3]
    assert set(seen) == {f"handler {NAME}_0"}
    await background.stop()
    with pytest.raises(HandlerClosed):
        await background.in_thread(block, 1, more=1)


@pytest.mark.parametrize("begin", ["spawn", "work"])
async def test_a_closed_handler_begins_nothing(begin: str) -> None:
    background = Background()
    await background.stop()
    with pytest.raises(HandlerClosed, match=NAME):
        getattr(background, begin)(asyncio.sleep(0), "late")


async def test_a_handler_that_could_not_be_built_leaves_nothing() -> None:
    background = Background()

    async def send(batch: object) -> None:
        await asyncio.Event().wait()

    background.deliver(send).offer([1, 2])
    background.spawn(asyncio.sleep(3600), "wait")
    background.abandon()
    await asyncio.sleep(0.01)
    assert (background.counted("dropped"), background.counted("daemons")) == ({"closing": 2}, {})
