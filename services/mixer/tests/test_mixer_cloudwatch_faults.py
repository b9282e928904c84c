"""CloudWatch is away, slow, busy, or refuses: what may pass is tried again, and what was lost is counted by its cause."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from flotilla_mixer.adapters.cloudwatch import handler as handlers
from flotilla_mixer.adapters.cloudwatch.calls import send_in_order
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.testing.cloudwatch.http import Answer, error
from flotilla_mixer.testing.cloudwatch.playing import LOG, Played, messages, until
from flotilla_mixer.testing.cloudwatch.receiver import Receiver

Play = Callable[..., Played]
DAY = 24 * 3600 * 10**9


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    await found.start()
    yield found
    found.hold(False)
    await found.stop()


@pytest.fixture
def play(receiver: Receiver, tmp_path: Path) -> Callable[..., Played]:
    """A handler of the receiver, with changes of its parameters."""
    return partial(Played, receiver, tmp_path)


# what is missing


async def test_group_and_stream_are_created_where_they_may_be(receiver: Receiver, play: Play) -> None:
    played = play(logRetentionDays=30)
    played.log("/a")
    await played.end()
    assert [request.operation for request in receiver.requests] == [
        "PutLogEvents",
        "CreateLogGroup",
        "PutRetentionPolicy",
        "CreateLogStream",
        "PutLogEvents",
    ]
    assert (receiver.retention, messages(receiver)) == ({"mesh": 30}, ["/a 200"])


async def test_what_others_created_meanwhile_is_no_matter(receiver: Receiver, play: Play) -> None:
    receiver.events["mesh"] = {}
    played = play(logRetentionDays=30)
    played.log("/a")
    await played.end()
    assert (receiver.retention, messages(receiver)) == ({}, ["/a 200"]), "a group that was there keeps its retention"


async def test_a_stream_alone_is_created_where_only_that_may_be(receiver: Receiver, play: Play) -> None:
    receiver.events["mesh"] = {}
    played = play(whenMissing="CREATE_STREAM")
    played.log("/a")
    await played.end()
    assert messages(receiver) == ["/a 200"]


@pytest.mark.parametrize("may", ["REFUSE", "CREATE_STREAM"])
async def test_where_nothing_may_be_created_entries_are_counted(receiver: Receiver, play: Play, may: str) -> None:
    played = play(whenMissing=may)
    played.log("/a", "/b")
    await played.end()
    assert played.told == {"dropped": {"not_found": 2}}


# faults

THROTTLED = error("ThrottlingException", "Rate exceeded")
AGAIN: list[tuple[Answer | str, str]] = [
    (THROTTLED, "throttled"),
    (error("Throttling", "Rate exceeded", 400), "throttled"),
    (error("SomethingElse", "slow down", 429), "throttled"),
    (error("InternalServiceFault", "oh", 500), "busy"),
    (error("ServiceUnavailableException", "oh", 503), "busy"),
    (Answer(502, "<html>Bad gateway</html>"), "busy"),
    (error("RequestTimeoutException", "oh"), "timeout"),
    (error("ExpiredTokenException", "oh"), "expired_token"),
    ("cut", "unreachable"),
]


@pytest.mark.parametrize(("fault", "cause"), AGAIN)
async def test_what_may_pass_is_tried_again_by_the_kit_alone(
    receiver: Receiver, play: Play, fault: Answer | str, cause: str
) -> None:
    receiver.faults.append(fault)
    played = play()
    played.count(1, 2)
    await played.end()
    assert played.told == {"sent": {"": 2}, "retries": {cause: 1}}
    assert len(receiver.requests) == 1, "the SDK tries nothing again"


FOR_GOOD: list[tuple[Answer, str]] = [
    (error("AccessDeniedException", "not authorized"), "denied"),
    (error("AccessDenied", "not authorized", 403), "denied"),
    (error("UnrecognizedClientException", "who?"), "denied"),
    (error("InvalidSignatureException", "no", 403), "denied"),
    (error("InvalidParameterValueException", "no"), "refused"),
    (error("ValidationException", "no"), "refused"),
    (error("NobodyKnowsThis", "no"), "refused"),
    (error("LimitExceededException", "no"), "refused"),
]


@pytest.mark.parametrize(("fault", "cause"), FOR_GOOD)
async def test_what_is_refused_is_counted_by_its_cause(
    receiver: Receiver, play: Play, fault: Answer, cause: str
) -> None:
    receiver.faults.append(fault)
    played = play()
    played.count(1, 2)
    await played.end()
    assert played.told == {"dropped": {cause: 2}}


async def test_of_several_requests_those_that_were_taken_are_not_sent_again(receiver: Receiver, play: Play) -> None:
    played = play()
    for number in range(3_000):
        played.count(1, service=f"service-{number}")
    receiver.faults.extend((Answer(200, {}), THROTTLED))
    receiver.hold(True)
    ending = asyncio.create_task(played.end())
    await until(lambda: receiver.connections > 0)
    receiver.hold(False)
    await ending
    assert played.told == {"sent": {"": 3_000}, "retries": {"throttled": 1}}
    assert sum(len(request.body["MetricData"]) for request in receiver.requests) == 2_000, "the first was a fault's"


async def test_events_too_old_too_new_and_past_retention_are_counted(receiver: Receiver, play: Play) -> None:
    receiver.events["mesh"], receiver.retention["mesh"] = {"mixer": []}, 3
    played, now = play(), time.time_ns()
    played.log("/old", "/older", at=now - 15 * DAY)
    played.log("/expired", at=now - 4 * DAY)
    played.log("/new", at=now + DAY // 8)
    played.log("/now", at=now)
    await played.end()
    assert messages(receiver) == ["/now 200"]
    assert played.told == {"sent": {"": 1}, "dropped": {"past_retention": 1, "too_new": 1, "too_old": 2}}


async def test_a_backend_that_says_nothing_is_left_in_time(receiver: Receiver, play: Play) -> None:
    receiver.hold(True)
    played = play(timeout="0.2s", flushDuration="0s")
    played.count(1)
    await until(lambda: played.background.counted("retries").get("timeout", 0) > 0)
    receiver.hold(False)
    await until(lambda: played.told.get("sent") == {"": 1})
    await played.end()


async def test_a_call_as_a_whole_has_a_limit(receiver: Receiver, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is in time, and the whole is not: the thread goes on, and the entries are not lost."""
    monkeypatch.setattr(handlers, "CALL_TIMES", 0.1)
    receiver.hold(True)
    played = play(flushDuration="0s")
    played.count(1)
    await until(lambda: played.background.counted("retries").get("timeout", 0) > 0)
    monkeypatch.setattr(played.handler, "_call_seconds", 10)
    receiver.hold(False)
    await until(lambda: played.told.get("sent") == {"": 1})
    await played.end()


async def test_what_waits_when_the_grace_time_ends_is_counted(receiver: Receiver, play: Play) -> None:
    receiver.hold(True)
    played = play(timeout="0.5s")
    played.count(1, 2)
    played.log("/a")
    await played.end(0.05)
    assert played.told == {"dropped": {"closing": 3}}
    played.count(1)
    played.log("/a")
    assert played.told == {"dropped": {"closing": 3, "closed": 2}}
    await until(lambda: not any(each.name.startswith("handler ") for each in threading.enumerate()))


async def test_rows_that_do_not_fit_are_told_and_the_others_sent(receiver: Receiver, play: Play) -> None:
    played = play()
    with pytest.raises(ValueError, match="no value for CloudWatch"):
        played.count(1, "many", 2)
    with pytest.raises(ValueError, match="no event for CloudWatch"):
        played.handler.report([ReportBatch(LOG, [("never", "", None, (1, "a"), ())])])
    await played.end()
    assert played.told == {"sent": {"": 2}, "dropped": {"misfit": 2}}


async def test_too_many_series_are_counted(receiver: Receiver, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play()
    monkeypatch.setattr(played.handler._cells, "_most", 2)
    for service in "abc":
        played.count(1, service=service)
    await played.end()
    assert played.told == {"sent": {"": 2}, "dropped": {"cardinality": 1}}


class Part:
    def __init__(self, *items: str) -> None:
        self.items = items


async def test_requests_in_order_tell_what_was_refused_and_what_is_left() -> None:
    asked: list[str] = []

    async def call(part: Part) -> dict[str, list[str]]:
        asked.extend(part.items)
        if part.items[0] == "never":
            raise SendError("never", cause="refused")
        if part.items[0] == "later":
            raise SendError("later", cause="throttled", retry=True, after=3.0)
        return {"too_old": ["b"]} if "b" in part.items else {}

    parts = [Part("a", "b"), Part("never", "c"), Part("d"), Part("later"), Part("e")]
    with pytest.raises(SendError) as found:
        await send_in_order(parts, call)
    assert asked == ["a", "b", "never", "c", "d", "later"]
    assert (found.value.cause, found.value.retry, found.value.after) == ("throttled", True, 3.0)
    assert found.value.left == ["later", "e"]
    assert found.value.refused == {"too_old": ["b"], "refused": ["never", "c"]}
    with pytest.raises(SendError) as found:
        await send_in_order(parts[:3], call)
    assert (found.value.cause, found.value.retry, found.value.left) == ("refused", False, ())
    await send_in_order(parts[2:3], call)
