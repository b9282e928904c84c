"""What adapters send: in order and in batches, tried again where that may help, and every entry sent or counted as dropped."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.kit.delivery import Delivery, DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings, SendError
from flotilla_mixer.testing.handlers import Background

QUICK = RetrySettings(send_seconds=10, batch_seconds=10, first=0.001, longest=0.001)
NEVER = 3600.0


class Backend:
    """Takes batches; `answers` are raised, one a try, until there are no more. `open` keeps it waiting while it is clear."""

    def __init__(self, *answers: BaseException | None) -> None:
        self.batches: list[list[Any]] = []
        self.tries = 0
        self.asked, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()
        self._answers = list(answers)

    async def send(self, batch: Sequence[Any]) -> None:
        self.tries += 1
        self.asked.set()
        await self.open.wait()
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        self.batches.append(list(batch))

    @property
    def taken(self) -> list[Any]:
        return [entry for batch in self.batches for entry in batch]


def settings(**changes: Any) -> DeliverySettings:
    return DeliverySettings(**{"batch_seconds": 0.0, "retry": QUICK} | changes)


async def until(background: Background, name: str, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(10):
        while background.counted(name) != wanted:
            await asyncio.sleep(0.001)


async def test_entries_arrive_in_order_and_what_waits_is_one_batch() -> None:
    background, backend = Background(), Backend()
    delivery = background.deliver(backend.send, settings())
    backend.open.clear()
    delivery.offer([1])
    await backend.asked.wait()
    for number in range(2, 6):
        delivery.offer([number])
    assert background.counted("waiting") == {"": 5}
    backend.open.set()
    await background.stop(10)
    assert backend.batches == [[1], [2, 3, 4, 5]]
    assert (background.counted("sent"), background.counted("waiting")) == ({"": 5}, {})


async def test_a_batch_is_sent_when_it_has_enough_entries() -> None:
    background, backend = Background(), Backend()
    delivery = background.deliver(backend.send, settings(batch_entries=3, batch_seconds=NEVER))
    delivery.offer([1, 2])
    await asyncio.sleep(0)
    assert backend.tries == 0
    delivery.offer([3, 4])
    await until(background, "sent", {"": 3})
    await background.stop(10)
    assert backend.batches == [[1, 2, 3], [4]]


async def test_a_batch_is_sent_when_it_has_enough_bytes() -> None:
    background, backend = Background(), Backend()
    limits = settings(batch_bytes=10, batch_seconds=NEVER)
    delivery = background.deliver(backend.send, limits, size=len)
    delivery.offer(["1234", "5678", "9"])
    delivery.offer(["0" * 30, "abc"])
    await background.stop(10)
    assert backend.batches == [["1234", "5678", "9"], ["0" * 30], ["abc"]], "a long one goes by itself"


async def test_a_batch_is_sent_when_its_oldest_entry_has_waited_long_enough() -> None:
    background, backend = Background(), Backend()
    background.deliver(backend.send, settings(batch_seconds=0.02)).offer([1])
    await until(background, "sent", {"": 1})
    await background.stop()


class Body:
    """What was made to be sent."""


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_try_that_fails_leaves_nothing_in_memory(wrapped: bool) -> None:
    """A frame that keeps what it raises, as botocore's do, is kept by it, and so would be all that the frame has."""
    background, bodies, kept = Background(), weakref.WeakSet[Body](), list[int]()

    def call(body: Body) -> None:
        error = OSError("away")
        raise error

    async def send(batch: Sequence[Any]) -> None:
        kept.append(len(bodies))
        body = Body()
        bodies.add(body)
        if len(kept) == 4:
            return
        try:
            call(body)
        except OSError as error:
            if not wrapped:
                raise
            told = SendError("away", cause="unreachable", retry=True)
            raise told from error

    gc.disable()
    try:
        background.deliver(send, settings()).offer([1])
        await until(background, "sent", {"": 1})
    finally:
        gc.enable()
    await background.stop()
    assert kept == [0, 0, 0, 0]


async def test_what_is_too_much_is_dropped_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    background, backend = Background(), Backend()
    backend.open.clear()
    delivery = background.deliver(backend.send, settings(most_waiting=3, most_waiting_bytes=10), size=len)
    assert delivery.offer(["a", "b", "c", "d"]) == 1
    assert delivery.offer(["e"]) == 1
    backend.open.set()
    await background.stop(10)
    assert backend.taken == ["a", "b", "c"]
    assert background.counted("dropped") == {"full": 2}
    assert capsys.readouterr().out.count("entries are dropped before they are sent") == 1, "one line for both"


async def test_what_is_being_sent_counts_as_waiting() -> None:
    background, backend = Background(), Backend()
    backend.open.clear()
    delivery = background.deliver(backend.send, settings(most_waiting=3, most_waiting_bytes=10), size=len)
    delivery.offer(["a", "b"])
    await backend.asked.wait()
    assert delivery.offer(["c", "d"]) == 1
    assert background.counted("waiting") == {"": 3}
    backend.open.set()
    await until(background, "sent", {"": 3})
    assert delivery.offer(["12345", "678901"]) == 1, "bytes that were sent count no more"
    await background.stop(10)


async def test_entries_are_bounded_by_bytes() -> None:
    background, backend = Background(), Backend()
    delivery = background.deliver(backend.send, settings(most_waiting_bytes=10), size=len)
    assert delivery.offer(["12345", "67890", "1"]) == 1
    await background.stop(10)
    assert backend.taken == ["12345", "67890"]


RETRYABLE = [
    (ConnectionRefusedError("refused"), "unreachable"),
    (TimeoutError(), "timeout"),
    (SendError("come back later", cause="busy", retry=True), "busy"),
]


@pytest.mark.parametrize(("error", "cause"), RETRYABLE)
async def test_what_may_pass_is_tried_again(error: Exception, cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    background, backend = Background(), Backend(error, error)
    background.deliver(backend.send, settings()).offer([1, 2])
    await until(background, "sent", {"": 2})
    await background.stop()
    assert (backend.tries, background.counted("retries")) == (3, {cause: 2})
    assert (background.counted("backend_errors"), background.counted("dropped")) == ({cause: 2}, {})
    said = capsys.readouterr().out
    assert (said.count("a batch was not taken"), said.count("takes entries again")) == (1, 1)


PERMANENT = [
    (SendError("no such metric", cause="refused"), "refused"),
    (KeyError("x"), "fault"),
    (RuntimeError(), "fault"),
]


@pytest.mark.parametrize(("error", "cause"), PERMANENT)
async def test_what_stays_wrong_is_not_tried_again_and_the_next_batch_goes(error: Exception, cause: str) -> None:
    background, backend = Background(), Backend(error)
    delivery = background.deliver(backend.send, settings(batch_entries=2))
    delivery.offer([1, 2, 3])
    await until(background, "sent", {"": 1})
    await background.stop()
    assert (backend.tries, backend.batches) == (2, [[3]])
    assert (background.counted("dropped"), background.counted("retries")) == ({cause: 2}, {})


async def test_of_a_batch_that_was_taken_in_part_only_the_rest_is_tried_again_or_dropped() -> None:
    part = SendError("one later", cause="busy", retry=True, left=[2, 3])
    background, backend = Background(), Backend(part, SendError("never", cause="refused", left=[3]))
    background.deliver(backend.send, settings()).offer([1, 2, 3])
    await until(background, "dropped", {"refused": 1})
    await background.stop()
    assert (background.counted("sent"), background.counted("waiting")) == ({"": 2}, {})


async def test_a_batch_is_given_up_when_its_time_is_over() -> None:
    quick = RetrySettings(batch_seconds=0.0, first=0.001, longest=0.001)
    background, backend = Background(), Backend(*[OSError("away")] * 3)
    background.deliver(backend.send, settings(retry=quick, batch_entries=1)).offer([1, 2, 3, 4])
    await until(background, "sent", {"": 1})
    await background.stop()
    assert (background.counted("dropped"), backend.batches) == ({"unreachable": 3}, [[4]])


async def test_the_backend_says_how_long_to_wait() -> None:
    busy = SendError("wait for an hour", cause="busy", retry=True, after=NEVER)
    background, backend = Background(), Backend(busy)
    background.deliver(backend.send, settings()).offer([1])
    await until(background, "dropped", {"busy": 1})  # an hour is longer than a batch may take
    await background.stop()


async def test_a_backend_that_never_answers_has_its_time() -> None:
    slow = RetrySettings(send_seconds=0.01, batch_seconds=0.0, first=0.001, longest=0.001)
    background, backend = Background(), Backend()
    backend.open.clear()
    background.deliver(backend.send, settings(retry=slow)).offer([1])
    await until(background, "dropped", {"timeout": 1})
    await background.stop()


async def test_closing_drops_what_cannot_be_sent_in_time_and_takes_no_more() -> None:
    background, backend = Background(), Backend()
    backend.open.clear()
    delivery = background.deliver(backend.send, settings(batch_entries=2))
    delivery.offer([1, 2, 3, 4, 5])
    await backend.asked.wait()
    await background.stop(0.01)
    assert background.counted("dropped") == {"closing": 5}, "two were under way, three waited"
    assert delivery.offer([6]) == 1
    assert (background.counted("dropped"), background.counted("waiting")) == ({"closing": 5, "closed": 1}, {})
    await background.stop()
    assert background.counted("daemons") == {}


async def test_closing_does_not_wait_for_the_age_of_a_batch() -> None:
    background, backend = Background(), Backend()
    background.deliver(backend.send, settings(batch_seconds=NEVER)).offer([1])
    async with asyncio.timeout(10):
        await background.stop(NEVER)
    assert backend.taken == [1]


ANSWERS = st.lists(
    st.sampled_from(["ok", "busy", "away", "refused", "fault", "part"]),
    max_size=30,
)


@given(
    offers=st.lists(st.integers(0, 7), max_size=10), answers=ANSWERS, most=st.integers(1, 10), size=st.integers(1, 4)
)
def test_every_entry_is_sent_or_counted(offers: list[int], answers: list[str], most: int, size: int) -> None:
    asyncio.run(_count(offers, answers, most, size))


async def _count(offers: list[int], answers: list[str], most: int, size: int) -> None:
    background, taken = Background(), []
    left = iter(answers)

    async def send(batch: Sequence[int]) -> None:
        match next(left, "ok"):
            case "busy":
                raise SendError("busy", cause="busy", retry=True)
            case "away":
                raise OSError("away")
            case "refused":
                raise SendError("no", cause="refused")
            case "fault":
                raise KeyError("fault")
            case "part":
                taken.extend(batch[:1])
                raise SendError("some", cause="part", retry=True, left=batch[1:])
        taken.extend(batch)

    quick = RetrySettings(first=0.0001, longest=0.0001)
    delivery: Delivery[int] = background.deliver(
        send, DeliverySettings(most_waiting=most, batch_entries=size, batch_seconds=0, retry=quick)
    )
    for number, count in enumerate(offers):
        delivery.offer([number] * count)
        await asyncio.sleep(0)
    await background.stop(30)
    dropped = background.counted("dropped")
    assert sum(offers) == len(taken) + sum(dropped.values())
    assert background.counted("sent").get("", 0) == len(taken)
    assert background.counted("waiting") == {}
    assert taken == sorted(taken), "in order"


async def test_drained_is_when_nothing_waits_and_nothing_is_under_way() -> None:
    background, backend = Background(), Backend()
    delivery = background.deliver(backend.send, settings())
    async with asyncio.timeout(10):
        await delivery.drained()
        backend.open.clear()
        delivery.offer([1])
        waiting = asyncio.create_task(delivery.drained())
        await backend.asked.wait()
        delivery.offer([2])
        assert not waiting.done()
        backend.open.set()
        await waiting
    assert backend.taken == [1, 2]
    await background.stop()


async def test_a_delivery_that_is_closed_asks_once_for_what_its_handler_still_has() -> None:
    background, backend = Background(), Backend()
    asked: list[int] = []

    def last() -> list[str]:
        asked.append(1)
        return ["last", "of all"]

    delivery = background.deliver(backend.send, settings(batch_seconds=NEVER), last=last)
    delivery.offer(["first"])
    await background.stop(10)
    await background.stop(10)
    assert (backend.taken, asked) == (["first", "last", "of all"], [1])
    assert background.counted("sent") == {"": 3}


async def test_last_entries_that_cannot_be_sent_in_time_are_counted() -> None:
    background, backend = Background(), Backend()
    backend.open.clear()
    background.deliver(backend.send, settings(), last=lambda: ["a", "b"])
    await background.stop(0.01)
    assert background.counted("dropped") == {"closing": 2}
