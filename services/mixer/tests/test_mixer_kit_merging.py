"""What handlers merge before they send: rounds, batches, parts that are refused, and books that add up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.kit.merging import MergeSettings, Merging
from flotilla_mixer.kit.sending import RetrySettings, SendError
from flotilla_mixer.testing.handlers import Background

QUICK = RetrySettings(send_seconds=10, batch_seconds=10, first=0.001, longest=0.001)
NEVER = 3600.0
Item = tuple[str, int]


def number(items: Sequence[Item]) -> int:
    return sum(count for _, count in items)


class Counting:
    """A handler that counts entries by name; `answers` are raised by its backend, one a try."""

    def __init__(self, background: Background, *answers: Exception | None, **settings: Any) -> None:
        self.cells: dict[str, int] = {}
        self.batches: list[list[Item]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self._answers = list(answers)
        chosen = MergeSettings(**{"seconds": 0.0, "retry": QUICK} | settings)
        self.merging: Merging[Item] = background.merge(self._drain, self._send, number, chosen)

    def count(self, *names: str) -> bool:
        if not self.merging.take(len(names)):
            return False
        for name in names:
            if len(self.cells) >= 3 and name not in self.cells:
                self.merging.give_up("cardinality", 1)
            else:
                self.cells[name] = self.cells.get(name, 0) + 1
        return True

    def _drain(self) -> list[Item]:
        if self.broken:
            raise ZeroDivisionError("a mistake")
        items, self.cells = list(self.cells.items()), {}
        return items

    async def _send(self, items: Sequence[Item]) -> None:
        await self.open.wait()
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        self.batches.append(list(items))


async def until(background: Background, name: str, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(10):
        while background.counted(name) != wanted:
            await asyncio.sleep(0.001)


async def test_entries_of_a_round_are_one_item_each_name() -> None:
    background = Background()
    counting = Counting(background, seconds=NEVER)
    counting.count("a", "b", "a")
    counting.count("a")
    assert background.counted("waiting") == {"": 4}
    await background.stop(10)
    assert counting.batches == [[("a", 3), ("b", 1)]]
    assert (background.counted("sent"), background.counted("waiting")) == ({"": 4}, {})


async def test_rounds_follow_one_another_and_batches_are_bounded() -> None:
    background = Background()
    counting = Counting(background, batch_items=2)
    counting.count("a", "b", "c")
    await until(background, "sent", {"": 3})
    counting.count("a")
    await until(background, "sent", {"": 4})
    await background.stop(10)
    assert counting.batches == [[("a", 1), ("b", 1)], [("c", 1)], [("a", 1)]]


async def test_what_could_not_be_merged_is_dropped_by_its_cause() -> None:
    background = Background()
    counting = Counting(background, seconds=NEVER)
    counting.count("a", "b", "c", "d", "d", "a")
    await background.stop(10)
    assert background.counted("sent") == {"": 4}
    assert background.counted("dropped") == {"cardinality": 2}


async def test_while_a_batch_is_under_way_entries_are_merged_into_new_cells() -> None:
    background = Background()
    counting = Counting(background)
    counting.open.clear()
    counting.count("a")
    while counting.cells:
        await asyncio.sleep(0)
    counting.count("a", "a")
    assert background.counted("waiting") == {"": 3}
    counting.open.set()
    await background.stop(10)
    assert counting.batches == [[("a", 1)], [("a", 2)]]


async def test_a_part_that_is_refused_is_dropped_and_a_part_that_is_left_is_tried_again() -> None:
    background = Background()
    error = SendError("in part", cause="busy", retry=True, left=[("a", 2)], refused={"order": [("b", 1)]})
    counting = Counting(background, error, seconds=NEVER)
    counting.count("a", "b", "a", "c")
    await background.stop(10)
    assert counting.batches == [[("a", 2)]]
    assert background.counted("sent") == {"": 3}
    assert background.counted("dropped") == {"order": 1}
    assert background.counted("retries") == {"busy": 1}


async def test_of_what_is_refused_alone_nothing_is_left() -> None:
    background = Background()
    error = SendError("in part", cause="refused", refused={"order": [("b", 1)], "label": [("c", 1)]})
    counting = Counting(background, error, seconds=NEVER)
    counting.count("a", "b", "c")
    await background.stop(10)
    assert counting.batches == []
    assert background.counted("sent") == {"": 1}
    assert background.counted("dropped") == {"order": 1, "label": 1}


async def test_an_outage_is_tried_again_and_given_up_whole() -> None:
    background = Background()
    errors = [OSError("away")] * 3 + [SendError("no", cause="denied")]
    counting = Counting(background, *errors)
    counting.count("a", "a")
    await until(background, "dropped", {"denied": 2})
    assert background.counted("retries") == {"unreachable": 3}
    await background.stop(10)


async def test_a_mistake_in_draining_is_counted_and_the_next_round_goes_on() -> None:
    background = Background()
    counting = Counting(background)
    counting.broken = True
    counting.count("a", "b")
    await until(background, "dropped", {"fault": 2})
    counting.broken, counting.cells = False, {}
    counting.count("c")
    await until(background, "sent", {"": 1})
    await background.stop(10)


@pytest.mark.parametrize("held", ["in hand", "merged"])
async def test_when_the_grace_time_is_over_the_rest_is_counted(held: str) -> None:
    background = Background()
    counting = Counting(background, seconds=0.0 if held == "in hand" else NEVER, batch_items=1)
    counting.open.clear()
    counting.count("a", "b", "b")
    await background.stop(0.02)
    assert background.counted("dropped") == {"closing": 3}
    assert background.counted("waiting") == {}
    assert not counting.count("a"), "it is closed"
    assert background.counted("dropped") == {"closing": 3, "closed": 1}
    await background.stop(0)


async def test_one_that_never_sent_is_closed_at_once() -> None:
    background = Background()
    Counting(background, seconds=NEVER)
    await background.stop(NEVER)


async def test_what_is_abandoned_is_counted() -> None:
    background = Background()
    Counting(background, seconds=NEVER).count("a", "b")
    background.abandon()
    assert background.counted("dropped") == {"closing": 2}


@given(
    st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=8),
    st.lists(st.sampled_from(["ok", "busy", "denied", "part"]), max_size=8),
)
def test_every_entry_is_sent_or_dropped(reports: list[list[str]], answers: list[str]) -> None:
    asyncio.run(_balance(reports, answers))


async def _balance(reports: list[list[str]], answers: list[str]) -> None:
    errors: dict[str, Exception | None] = {
        "ok": None,
        "busy": SendError("later", cause="busy", retry=True),
        "denied": SendError("never", cause="denied"),
        "part": SendError("in part", cause="busy", retry=True, left=[]),
    }
    background = Background()
    counting = Counting(background, *(errors[each] for each in answers), batch_items=2)
    for names in reports:
        counting.count(*names)
        await asyncio.sleep(0)
    await background.stop(10)
    counted = background.counted
    assert sum(counted("sent").values()) + sum(counted("dropped").values()) == sum(map(len, reports))
    assert counted("waiting") == {}
