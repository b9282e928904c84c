"""Names that are worked on: each once, in their order, again where it failed, and never twice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from flotilla_citadel.publish.worklist import Worklist
from flotilla_shared.runtime.backoff import Backoff


class Work:
    """Work that a test lets end, and how it went."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, int] = {}
        self.raises: set[str] = set()

    async def __call__(self, name: str) -> bool:
        self.began.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        self.ended.append(name)
        if name in self.raises:
            self.raises.remove(name)
            raise RuntimeError(name)
        left = self.failures.get(name, 0)
        self.failures[name] = max(0, left - 1)
        return not left


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def worklist(work: Work) -> AsyncIterator[Worklist]:
    made = Worklist(work, workers=2, backoff=lambda: Backoff(0.0001, 0.0002))
    await made.start()
    yield made
    await made.stop()


async def test_each_name_is_worked_on_once(worklist: Worklist, work: Work) -> None:
    worklist.add(["a", "b"])
    worklist.add(["a", "c"])
    await until(lambda: len(work.ended) == 3 and not len(worklist))
    assert work.ended == ["a", "b", "c"]


async def test_a_name_is_never_worked_on_twice_at_a_time(worklist: Worklist, work: Work) -> None:
    work.gates["a"] = asyncio.Event()
    worklist.add(["a"])
    await until(lambda: work.began == ["a"])
    worklist.add(["a", "b"])
    await until(lambda: work.ended == ["b"])
    assert work.began == ["a", "b"]
    work.gates["a"].set()
    await until(lambda: not len(worklist))
    assert work.ended == ["b", "a", "a"]  # what came meanwhile is not lost


async def test_what_failed_is_tried_again(worklist: Worklist, work: Work) -> None:
    work.failures["a"], work.raises = 2, {"b"}
    worklist.add(["a", "b", "c"])
    await until(lambda: len(work.ended) == 6 and not len(worklist))
    assert (work.ended.count("a"), work.ended.count("b"), work.ended.count("c")) == (3, 2, 1)


async def test_what_failed_and_was_added_meanwhile_is_tried_once_more_only(worklist: Worklist, work: Work) -> None:
    work.gates["a"], work.failures["a"] = asyncio.Event(), 1
    worklist.add(["a"])
    await until(lambda: work.began == ["a"])
    worklist.add(["a"])
    work.gates["a"].set()
    await until(lambda: len(work.ended) == 2)
    assert len(worklist) == 0


async def test_a_name_that_waits_is_tried_now_when_it_is_added(work: Work) -> None:
    patient = Worklist(work, backoff=lambda: Backoff(3600, 3600))
    await patient.start()
    work.failures["a"] = 1
    patient.add(["a"])
    await until(lambda: work.ended == ["a"] and len(patient) == 1)
    patient.add(["a"])
    await until(lambda: not len(patient))
    assert work.ended == ["a", "a"]
    await patient.stop()


async def test_stopping_ends_work_and_waiting(work: Work) -> None:
    made = Worklist(work, backoff=lambda: Backoff(3600, 3600))
    await made.start()
    work.gates["a"], work.failures["b"] = asyncio.Event(), 1
    made.add(["a", "b"])
    await until(lambda: work.ended == ["b"])
    await made.stop()
    assert work.ended == ["b"]
