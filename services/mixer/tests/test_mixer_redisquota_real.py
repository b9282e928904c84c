"""redisquota against a real Redis: what the script counts, and that it is never more than the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED
from flotilla_mixer.kit.results import QuotaResult
from flotilla_mixer.testing.quotas import (
    FIXED,
    ROLLING,
    AskedQuota,
    crowd,
    fixed_windows,
    most_in_any_window,
    on_its_own_clock,
)
from flotilla_mixer.testing.redis_server import RedisServer
from flotilla_shared.testing.properties import examples

pytestmark = pytest.mark.real

SECOND = 1_000_000


class Counted:
    """A handler and the clock that its script is given, in seconds."""

    def __init__(self, redis: RedisServer, quota: dict[str, Any], **params: Any) -> None:
        self.now = 1_700_000_000.0
        given = {"quotas": [quota], "redisServerUrl": redis.address, "timeout": "10s", **params}
        self.quota = AskedQuota(Redisquota(lambda: round(self.now * SECOND)), given, ("app",))

    async def ask(self, amount: int = 1, identifier: str = "", *, best: bool = False, app: str = "a") -> Any:
        return await self.quota.ask(amount, identifier, best=best, app=app)


@asynccontextmanager
async def counted(redis: RedisServer, quota: dict[str, Any], **params: Any) -> AsyncIterator[Counted]:
    made = Counted(redis, quota, **params)
    async with made.quota:
        yield made


def grants(*amounts: int, seconds: float = 100.0) -> list[QuotaResult]:
    return [QuotaResult(amount, seconds) if amount else EXHAUSTED for amount in amounts]


# what the script counts


async def test_a_fixed_window_begins_with_its_first_grant_and_ends_whole(redis: RedisServer) -> None:
    async with counted(redis, FIXED) as quota:
        assert await quota.ask(6) == EXHAUSTED, "all or nothing; and no window has begun"
        quota.now += 50
        assert await quota.ask(3) == QuotaResult(3, 100.0)
        quota.now += 40
        assert await quota.ask(3) == EXHAUSTED
        assert await quota.ask(3, best=True) == QuotaResult(2, 60.0)
        quota.now += 60
        assert await quota.ask(5) == QuotaResult(5, 100.0)


async def test_what_leaves_a_rolling_window_is_there_again(redis: RedisServer) -> None:
    async with counted(redis, ROLLING) as quota:
        assert await quota.ask(3) == QuotaResult(3, 100.0)
        quota.now += 50
        assert [await quota.ask(3), await quota.ask(3, best=True)] == grants(0, 2)
        quota.now += 49.9
        assert await quota.ask(1) == EXHAUSTED
        quota.now += 0.1
        assert [await quota.ask(3), await quota.ask(1)] == grants(3, 0)


async def test_grants_of_one_bucket_leave_together_with_the_newest(redis: RedisServer) -> None:
    async with counted(redis, ROLLING) as quota:
        await quota.ask(2)
        quota.now += 9.9
        await quota.ask(3)
        quota.now += 95
        assert await quota.ask(1) == EXHAUSTED
        quota.now += 5
        assert await quota.ask(5) == QuotaResult(5, 100.0)


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_what_is_given_back_is_there_again_but_never_more_than_was_taken(
    redis: RedisServer, window: dict[str, Any]
) -> None:
    async with counted(redis, window) as quota:
        assert (await quota.ask(-3)).amount == 0
        await quota.ask(2)
        quota.now += 20
        await quota.ask(2)
        assert await quota.ask(-3) == QuotaResult(-3, 0.0)
        assert [(await quota.ask(5)).amount, (await quota.ask(4)).amount] == [0, 4]
        assert (await quota.ask(-100)).amount == -5
        assert (await quota.ask(6)).amount == 0


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_each_set_of_dimensions_counts_by_itself_and_has_its_override(
    redis: RedisServer, window: dict[str, Any]
) -> None:
    overridden = {**window, "overrides": [{"dimensions": {"app": "b"}, "maxAmount": "1"}]}
    async with counted(redis, overridden) as quota:
        found = [await quota.ask(4, app=app, best=True) for app in ("a", "b", "a", "b", "c")]
        assert found == grants(4, 1, 1, 0, 4)


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_a_repeated_call_uses_nothing_and_hears_what_is_left_of_its_time(
    redis: RedisServer, window: dict[str, Any]
) -> None:
    async with counted(redis, window, maxDeduplicationDuration="0s") as quota:
        assert await quota.ask(2, "x") == QuotaResult(2, 100.0)
        quota.now += 30
        assert await quota.ask(2, "x") == QuotaResult(2, 70.0)
        assert (await quota.ask(1, "y", app="b")).amount == 1, "another count"
        assert (await quota.ask(3, "x" * 10_000)).amount == 3
        assert (await quota.ask(3, "x" * 10_000)).amount == 3, "the same long identifier"
        assert (await quota.ask(1)).amount == 0
        quota.now += 101
        assert (await quota.ask(5, "x")).amount == 5, "long ago"


async def test_identifiers_are_forgotten_after_a_minute(redis: RedisServer) -> None:
    """Long before a window of hours ends, whose calls would fill Redis."""
    async with counted(redis, {**FIXED, "validDuration": "36000s"}) as quota:
        assert (await quota.ask(2, "x")).amount == 2
        with redis.client() as client:
            (seen,) = client.scan_iter("*:x")
            assert 0 < client.pttl(seen) <= 60_001
        quota.now += 59
        assert (await quota.ask(2, "x")).amount == 2
        quota.now += 2
        assert [(await quota.ask(2, "x")).amount, (await quota.ask(2)).amount] == [2, 0]


async def test_identifiers_may_be_forgotten_earlier(redis: RedisServer) -> None:
    async with counted(redis, FIXED, maxDeduplicationDuration="2s") as quota:
        await quota.ask(2, "x")
        quota.now += 1.9
        assert await quota.ask(2, "x") == QuotaResult(2, pytest.approx(98.1)), "it holds as long as it did"
        quota.now += 0.2
        assert await quota.ask(2, "x") == QuotaResult(2, pytest.approx(97.9))
        assert await quota.ask(2) == EXHAUSTED


async def test_a_refusal_is_not_remembered(redis: RedisServer) -> None:
    with redis.client() as client:
        client.config_resetstat()
    async with counted(redis, FIXED) as quota:
        assert await quota.ask(6, "x") == EXHAUSTED
        with redis.client() as client:
            assert client.info("commandstats").keys().isdisjoint({"cmdstat_hset", "cmdstat_pexpire"})
        assert (await quota.ask(5, "x")).amount == 5


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_a_clock_that_is_put_back_far_does_not_close_a_quota_for_as_long(
    redis: RedisServer, window: dict[str, Any]
) -> None:
    async with counted(redis, window) as quota:
        await quota.ask(5)
        quota.now -= 1
        assert (await quota.ask(1)).amount == 0, "a second is no reason to forget"
        quota.now -= 300
        assert (await quota.ask(5)).amount == 5


async def test_a_clock_that_is_put_back_a_little_gives_nothing_back_early(redis: RedisServer) -> None:
    async with counted(redis, ROLLING) as quota:
        begun = quota.now
        await quota.ask(2)
        quota.now = begun - 5
        await quota.ask(1)
        quota.now = begun + 99
        assert await quota.ask(3) == EXHAUSTED
        quota.now = begun + 100
        assert (await quota.ask(5)).amount == 5


async def test_windows_and_buckets_end_exactly(redis: RedisServer) -> None:
    """Times in whole seconds, which no rounding moves."""
    async with counted(redis, ROLLING) as quota:
        begun = quota.now
        await quota.ask(2)
        quota.now = begun + 10  # the first bucket is over
        await quota.ask(3)
        quota.now = begun + 99.999
        assert await quota.ask(1) == EXHAUSTED
        quota.now = begun + 100
        assert await quota.ask(3) == EXHAUSTED
        assert (await quota.ask(2)).amount == 2
        quota.now = begun + 110
        assert (await quota.ask(3)).amount == 3


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_a_limit_that_is_lowered_below_what_is_in_use_grants_nothing_until_it_is_less(
    redis: RedisServer, window: dict[str, Any]
) -> None:
    async with counted(redis, window) as before, counted(redis, {**window, "maxAmount": "2"}) as after:
        assert (await before.ask(5)).amount == 5
        assert [await after.ask(1), await after.ask(1, best=True)] == [EXHAUSTED, EXHAUSTED]
        assert (await before.ask(-4)).amount == -4
        assert (await after.ask(3, best=True)).amount == 1


async def test_slots_that_left_the_window_are_gone(redis: RedisServer) -> None:
    async with counted(redis, {**ROLLING, "maxAmount": "100"}) as quota:
        for _ in range(60):
            await quota.ask(1)
            quota.now += 11
    with redis.client() as client:
        (counter,) = client.scan_iter()
        assert client.hlen(counter) <= 3 + 3 * 10


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_the_largest_numbers_are_counted_exactly(redis: RedisServer, window: dict[str, Any]) -> None:
    most = 2**53 - 1
    async with counted(redis, {**window, "maxAmount": str(most)}) as quota:
        assert (await quota.ask(most - 1)).amount == most - 1
        assert (await quota.ask(2**63 - 1, best=True)).amount == 1
        assert (await quota.ask(1)).amount == 0


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_every_key_ends_with_its_window(redis: RedisServer, window: dict[str, Any]) -> None:
    async with counted(redis, window) as quota:
        for step in range(40):
            await quota.ask(1, f"id-{step}", best=True, app=f"a{step % 3}")
            await quota.ask(-1, app=f"a{step % 3}")
            quota.now += 7
    with redis.client() as client:
        keys = list(client.scan_iter())
        assert len(keys) > 40
        assert all(0 < client.pttl(key) <= 100_001 for key in keys)
        assert client.hlen(max(keys, key=client.hlen)) <= 3 + 3 * 10, "slots that left are gone"


async def test_the_key_is_gone_when_its_window_is(redis: RedisServer) -> None:
    short = {**FIXED, "validDuration": "0.05s"}
    async with on_its_own_clock(redis, short) as quota:
        await quota.ask(5, "x", app="a")
        with redis.client() as client:
            deadline = time.monotonic() + 10
            while client.dbsize() and time.monotonic() < deadline:
                await asyncio.sleep(0.01)  # nothing tells of it
            assert client.dbsize() == 0


# never more than the limit

STEPS = st.lists(
    st.tuples(st.integers(0, 12_000), st.integers(-3, 6), st.booleans(), st.sampled_from(["", "", "i", "j"])),
    max_size=50,
)


def _kept(log: list[tuple[float, int]], amount: int) -> None:
    """Give back, the newest first."""
    for place in range(len(log) - 1, -1, -1):
        when, granted = log[place]
        given = min(amount, granted)
        log[place] = (when, granted - given)
        amount -= given


async def _play(redis: RedisServer, window: dict[str, Any], steps: list[Any]) -> list[tuple[float, int]]:
    """(when, how much) was granted; what was given back is taken off. The times are whole milliseconds."""
    with redis.client() as client:
        client.flushall()
    log: list[tuple[float, int]] = []
    known: dict[str, tuple[int, float]] = {}
    async with counted(redis, window, maxDeduplicationDuration="0s") as quota:
        passed = 0
        for milliseconds, amount, best, identifier in steps:
            passed += milliseconds
            quota.now = 1_700_000_000 + passed / 1000
            result = await quota.ask(amount, identifier, best=best)
            if identifier and amount and known.get(identifier, (0, -1))[1] > passed:
                assert result.amount == known[identifier][0], "it is the same call"
            elif result.amount > 0:
                assert 0 < result.amount <= amount
                assert best or result.amount == amount
                log.append((passed, result.amount))
                if identifier:
                    known[identifier] = (result.amount, passed + round(result.valid_seconds * 1000))
            elif result.amount < 0:
                _kept(log, -result.amount)
    return log


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@given(STEPS)
@settings(max_examples=examples(60))
def test_no_rolling_window_ever_has_more_than_the_limit(
    runner: asyncio.Runner, shared_redis: RedisServer, steps: list[Any]
) -> None:
    log = runner.run(_play(shared_redis, ROLLING, steps))
    for end, _ in log:
        assert sum(granted for when, granted in log if end - 100_000 < when <= end) <= 5


@given(STEPS)
@settings(max_examples=examples(60))
def test_no_fixed_window_ever_has_more_than_the_limit(
    runner: asyncio.Runner, shared_redis: RedisServer, steps: list[Any]
) -> None:
    log = runner.run(_play(shared_redis, FIXED, steps))
    while log:
        begun = log[0][0]
        assert sum(granted for when, granted in log if when < begun + 100_000) <= 5
        log = [each for each in log if each[0] >= begun + 100_000]


LIMIT, WINDOW = 40, 0.4
CROWDED = {"maxAmount": str(LIMIT), "validDuration": f"{WINDOW}s", "bucketDuration": "0.04s"}


@asynccontextmanager
async def two_mixers(redis: RedisServer, window: dict[str, Any]) -> AsyncIterator[list[AskedQuota]]:
    params = {"timeout": "10s", "connectionPoolSize": "3"}
    async with (
        on_its_own_clock(redis, {**window, **CROWDED}, **params) as one,
        on_its_own_clock(redis, {**window, **CROWDED}, **params) as other,
    ):
        yield [one, other]


async def test_twenty_callers_of_two_mixers_share_a_rolling_window(redis: RedisServer) -> None:
    async with two_mixers(redis, ROLLING) as quotas:
        log = await crowd(quotas, 20, 1.5)
    assert sum(each.amount for each in log) > LIMIT
    assert most_in_any_window(log, WINDOW) <= LIMIT


async def test_twenty_callers_of_two_mixers_share_a_fixed_window(redis: RedisServer) -> None:
    async with two_mixers(redis, FIXED) as quotas:
        log = await crowd(quotas, 20, 1.5)
    windows = fixed_windows(log, WINDOW)
    assert len(windows) > 1
    assert max(windows) <= LIMIT
