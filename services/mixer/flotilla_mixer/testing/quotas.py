"""Quotas asked as Mixer asks them, with nothing of Mixer around."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from google.protobuf import json_format

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.kit.adapter import Adapter, QuotaCall
from flotilla_mixer.kit.results import QuotaResult
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.redis_server import RedisServer

UNAVAILABLE = 14
CALLS = "calls.instance.default"
FIXED: dict[str, Any] = {"name": CALLS, "maxAmount": "5", "validDuration": "100s"}
ROLLING = {**FIXED, "rateLimitAlgorithm": "ROLLING_WINDOW", "bucketDuration": "10s"}


class AskedQuota:
    """A handler with one instance of these dimensions. In `async with`; what is asked on its loop is answered there."""

    def __init__(
        self, adapter: Adapter, params: dict[str, Any], dimensions: tuple[str, ...] = (), name: str = CALLS
    ) -> None:
        self.spec = InstanceSpec(name, QUOTA, {}, {"dimensions": tuple(sorted(dimensions))})
        self.background = Background()
        self._adapter = adapter
        self._params: Any = adapter.defaults()
        json_format.ParseDict(params, self._params)
        self.faults = {fault.field: fault.text for fault in adapter.validate(self._params, [self.spec])}

    async def __aenter__(self) -> AskedQuota:
        assert not self.faults
        self.handler: Any = self._adapter.build(self._params, [self.spec], self.background)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.background.stop()
        self.handler.close()

    def call(
        self, amount: int = 1, identifier: str = "", *, best: bool = False, **dimensions: object
    ) -> asyncio.Future[QuotaResult | str]:
        """The answer to come. Calls that are made without a pause between them are one batch."""
        answer: asyncio.Future[QuotaResult | str] = asyncio.get_running_loop().create_future()
        row = (tuple(dimensions[name] for name in sorted(dimensions)),)
        self.handler.quota([QuotaCall(self.spec, row, answer.set_result, amount, best, identifier)])
        return answer

    async def ask(self, amount: int = 1, identifier: str = "", *, best: bool = False, **dimensions: object) -> Any:
        return await asyncio.wait_for(self.call(amount, identifier, best=best, **dimensions), 10)


@asynccontextmanager
async def on_its_own_clock(redis: RedisServer, quota: dict[str, Any], **params: Any) -> AsyncIterator[AskedQuota]:
    """redisquota with one quota in this Redis, by whose clock it counts."""
    async with placed(quota, redisServerUrl=redis.address, **params) as asked:
        yield asked


@asynccontextmanager
async def placed(quota: dict[str, Any], **params: Any) -> AsyncIterator[AskedQuota]:
    """redisquota with one quota, wherever the parameters say."""
    async with AskedQuota(Redisquota(), {"quotas": [quota], **params}, ("app",)) as asked:
        yield asked


class Grant(NamedTuple):
    """What one call got, between two moments of this process's clock."""

    asked: float
    answered: float
    amount: int
    holds: float


async def crowd(
    quotas: Sequence[AskedQuota], callers: int, seconds: float, during: Callable[[], Awaitable[None]] | None = None
) -> list[Grant]:
    """So many callers ask without a pause, some for more, some for less, some twice: for so long, and until `during` is
    over.
    """
    log: list[Grant] = []
    until = time.monotonic() + seconds
    over = asyncio.Event()

    async def call(number: int) -> None:
        for asked in itertools.count():
            before, amount = time.monotonic(), 1 + (number + asked) % 3
            if before > until and over.is_set():
                return
            quota, identifier = quotas[(number + asked) % len(quotas)], f"{number}-{asked}" if number % 2 else ""
            result = await quota.ask(amount, identifier, best=number % 3 == 0, app="a")
            if result.amount:
                log.append(Grant(before, time.monotonic(), result.amount, result.valid_seconds))
            elif result.code == UNAVAILABLE:
                await asyncio.sleep(0.005)  # it is answered at once
            if identifier:
                await quota.ask(amount, identifier, app="a")  # the same call: while it is known it uses nothing

    async def disturb() -> None:
        try:
            if during is not None:
                await during()
        finally:
            over.set()

    await asyncio.gather(disturb(), *map(call, range(callers)))
    return sorted(log)


def most_in_any_window(log: Sequence[Grant], window: float) -> int:
    """The most that was granted within a window that moves, of what was surely within it."""
    return max(
        sum(each.amount for each in log if each.asked >= first.asked and each.answered < first.asked + window - 0.001)
        for first in log
    )


def fixed_windows(log: Sequence[Grant], window: float) -> list[int]:
    """What each fixed window granted. Windows are known by their ends, which every grant tells, but for one that took so
    long that it might be of two: it is left out.
    """
    windows: list[list[Grant]] = []
    prompt = [each for each in log if each.answered - each.asked < window / 2]
    for each in sorted(prompt, key=lambda grant: grant.asked + grant.holds):
        if windows and each.asked + each.holds < windows[-1][0].asked + windows[-1][0].holds + window / 2:
            windows[-1].append(each)
        else:
            windows.append([each])
    return [sum(each.amount for each in grants) for grants in windows]
