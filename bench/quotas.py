"""What a call of a quota costs Mixer and Redis: the adapter, against the client library with the same script.

CPU of this process and of Redis; the wall tells nothing on a machine that is shared.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis.asyncio

from bench import quota_places
from bench.table import table
from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.handler import SCRIPT
from flotilla_mixer.testing.quotas import CALLS, AskedQuota
from flotilla_mixer.testing.redis_server import RedisServer

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "fixed": ("fixed", 10**9, 10**8, 0, 1, 0, 0, ""),
    "rolling": ("rolling", 10**9, 10**8, 10**6, 1, 0, 0, ""),
}
QUOTA = {"name": CALLS, "maxAmount": str(10**9), "validDuration": "100s", "bucketDuration": "1s"}
Round = Callable[[int], Awaitable[Any]]


async def _one_by_one(client: Any, digest: str, arguments: tuple[Any, ...], number: int) -> None:
    for _ in range(number):
        await client.evalsha(digest, 1, "bench", *arguments)


async def _pipeline(client: Any, digest: str, arguments: tuple[Any, ...], number: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for _ in range(number):
        pipeline.evalsha(digest, 1, "bench", *arguments)
    await pipeline.execute()


async def _adapter(quota: AskedQuota, identifier: str, number: int) -> None:
    await asyncio.gather(
        *(quota.call(1, f"{identifier}{each}" if identifier else "", app="a") for each in range(number))
    )


async def _cost(server: RedisServer, ask: Round, at_once: int, calls: int) -> tuple[float, float]:
    """Microseconds of CPU a call, here and in Redis."""
    await ask(at_once)
    begun, redis_begun = time.process_time(), server.cpu_seconds
    for _ in range(calls // at_once):
        await ask(at_once)
    here, there = time.process_time() - begun, server.cpu_seconds - redis_begun
    return here / calls * 1e6, there / calls * 1e6


async def _rows(server: RedisServer, algorithm: str) -> list[list[object]]:
    arguments = ARGUMENTS[algorithm]
    client = redis.asyncio.Redis(port=server.port, max_connections=100)
    digest = await client.script_load(SCRIPT)
    quota = {**QUOTA, "rateLimitAlgorithm": f"{algorithm.upper()}_WINDOW"}
    given = {"quotas": [quota], "redisServerUrl": server.address, "timeout": "10s"}
    numbers = iter(range(10**9))

    async def tasks(number: int) -> None:
        await asyncio.gather(*(_one_by_one(client, digest, arguments, 1) for _ in range(number)))

    async with AskedQuota(Redisquota(), given, ("app",)) as asked:
        ways: list[tuple[str, Round, int, int]] = [
            ("client library, one after the other", lambda n: _one_by_one(client, digest, arguments, n), 1, 4_000),
            ("client library, 32 tasks", tasks, 32, 6_400),
            ("client library, pipelines of 100", lambda n: _pipeline(client, digest, arguments, n), 100, 20_000),
            ("redisquota, one after the other", lambda n: _adapter(asked, "", n), 1, 4_000),
            ("redisquota, 32 at once", lambda n: _adapter(asked, "", n), 32, 20_000),
            ("redisquota, 100 at once", lambda n: _adapter(asked, "", n), 100, 20_000),
            (
                "redisquota, 100 at once, with identifiers",
                lambda n: _adapter(asked, f"{next(numbers)}-", n),
                100,
                20_000,
            ),
        ]
        found = [(name, *(await _cost(server, ask, at_once, calls))) for name, ask, at_once, calls in ways]
    await client.aclose()
    base = found[2][1]
    return [[here / base, f"{algorithm}: {name}", here, 1e6 / here, there] for name, here, there in found]


async def _all(server: RedisServer) -> list[list[object]]:
    return [row for algorithm in ARGUMENTS for row in await _rows(server, algorithm)]


def measure() -> str:
    """The table, or why there is none."""
    try:
        with tempfile.TemporaryDirectory(prefix="fb") as folder:
            server = RedisServer(Path(folder))
            server.start()
            try:
                import uvloop

                rows = uvloop.run(_all(server))
            finally:
                server.kill()
        elsewhere = quota_places.measure()
    except FileNotFoundError:
        return "### Quotas in Redis\n\nThere is no redis-server: `apt-get install redis-server`.\n"
    header = ["pipelines = 1", "way", "us of CPU a call", "calls a core second", "us of Redis's CPU a call"]
    return table("Quotas in Redis", header, rows) + "\n" + elsewhere
