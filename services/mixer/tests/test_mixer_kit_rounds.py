"""What handlers add up: told at intervals and at the end, and every entry is sent, lost with a cause, or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.rounds import Rounds
from flotilla_mixer.kit.sending import RetrySettings, SendError
from flotilla_mixer.testing.handlers import Background

QUICK = RetrySettings(send_seconds=10, batch_seconds=10, first=0.001, longest=0.001)
NEVER = 3600.0
KEPT = "unreachable"


class Sums:
    """Numbers by name: an item is a name. What is lost for KEPT stays."""

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}

    def add(self, rounds: Rounds[Any], **numbers: int) -> None:
        for name, number in numbers.items():
            self.entries[name] = self.entries.get(name, 0) + number
        rounds.added(sum(numbers.values()))

    def collect(self) -> list[str]:
        return [name for name, number in self.entries.items() if number]

    def size(self, item: str) -> int:
        return len(item)

    def settle(self, items: Iterable[str], cause: str | None) -> int:
        return 0 if cause == KEPT else sum(self.entries.pop(name) for name in items)

    def rest(self) -> int:
        return sum(self.entries.values())


class Backend:
    def __init__(self, *answers: BaseException | None) -> None:
        self.batches: list[list[str]] = []
        self.came = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self._answers = list(answers)

    async def send(self, batch: Sequence[str]) -> None:
        self.came.set()
        await self.open.wait()
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        self.batches.append(list(batch))


def made(background: Background, backend: Backend, **changes: Any) -> tuple[Sums, Rounds[str]]:
    sums = Sums()
    settings = DeliverySettings(**{"batch_seconds": NEVER, "retry": QUICK} | changes)
    return sums, background.rounds(sums, backend.send, settings)


def accounted(background: Background) -> dict[str, dict[str, int]]:
    return {name: dict(background.counted(name)) for name in ("sent", "dropped", "waiting") if background.counted(name)}


async def test_what_is_added_up_is_told_at_the_end() -> None:
    background, backend = Background(), Backend()
    sums, rounds = made(background, backend)
    sums.add(rounds, a=3, b=4)
    assert accounted(background) == {"waiting": {"": 7}}
    await background.stop(10)
    assert backend.batches == [["a", "b"]]
    assert accounted(background) == {"sent": {"": 7}}
    assert rounds.closing


async def test_rounds_come_at_intervals() -> None:
    background, backend = Background(), Backend()
    sums, rounds = made(background, backend, batch_seconds=0.01)
    for number in range(3):
        sums.add(rounds, a=1)
        async with asyncio.timeout(10):
            while len(backend.batches) <= number:
                await asyncio.sleep(0.001)
    await background.stop()
    assert backend.batches == [["a"]] * 3, "an empty round is none"


@pytest.mark.parametrize(
    ("changes", "batches"),
    [({"batch_entries": 2}, [["aa", "bb"], ["cc"]]), ({"batch_bytes": 3}, [["aa"], ["bb"], ["cc"]])],
)
async def test_no_batch_is_too_large(changes: dict[str, int], batches: list[list[str]]) -> None:
    background, backend = Background(), Backend()
    sums, rounds = made(background, backend, **changes)
    sums.add(rounds, aa=1, bb=1, cc=1)
    await background.stop(10)
    assert backend.batches == batches


async def test_what_was_not_taken_may_wait_for_the_next_round() -> None:
    background = Background()
    backend = Backend(SendError("away", cause=KEPT))
    sums, rounds = made(background, backend, batch_seconds=0.01)
    sums.add(rounds, a=5)
    async with asyncio.timeout(10):
        while not backend.batches:
            await asyncio.sleep(0.001)
    await background.stop()
    assert accounted(background) == {"sent": {"": 5}}
    assert background.counted("backend_errors") == {KEPT: 1}


async def test_what_is_refused_is_lost_as_many_entries_as_it_stands_for() -> None:
    background = Background()
    backend = Backend(SendError("no", cause="refused"))
    sums, rounds = made(background, backend)
    sums.add(rounds, a=5, b=1)
    await background.stop(10)
    assert accounted(background) == {"dropped": {"refused": 6}}


async def test_a_part_may_be_left() -> None:
    background = Background()
    sums, rounds = made(background, Backend(SendError("not b", cause="rejected", left=["b"])))
    sums.add(rounds, a=5, b=2)
    await background.stop(10)
    assert accounted(background) == {"sent": {"": 5}, "dropped": {"rejected": 2}}


async def test_a_backend_that_does_not_answer_is_not_waited_for() -> None:
    background, backend = Background(), Backend()
    sums, rounds = made(background, backend, batch_seconds=0.001)
    backend.open.clear()
    sums.add(rounds, a=5)
    await backend.came.wait()
    sums.add(rounds, b=2)
    await background.stop(0.01)
    await background.stop(0.01)
    assert accounted(background) == {"dropped": {"closing": 7}}


async def test_a_handler_that_could_not_be_built_has_nothing_left() -> None:
    background = Background()
    sums, rounds = made(background, Backend())
    sums.add(rounds, a=5)
    background.abandon()
    await asyncio.sleep(0)
    assert accounted(background) == {"dropped": {"closing": 5}}
