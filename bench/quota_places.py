"""Quotas over a Redis Cluster and behind Sentinels: the adapter, against the client library's own ways to both.

What a call costs is CPU of this process. How long a master is looked for is the wall: most of it is waiting for servers
that are silent.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from bench.table import table
from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.connection import Door
from flotilla_mixer.adapters.redisquota.handler import SCRIPT
from flotilla_mixer.adapters.redisquota.sentinels import Sentinels
from flotilla_mixer.testing.quotas import CALLS, AskedQuota
from flotilla_mixer.testing.redis_failover import MASTER, ClusterServers, Watched

QUOTA = {"name": CALLS, "maxAmount": str(10**9), "validDuration": "100s"}
ARGUMENTS = ("fixed", 10**9, 10**8, 0, 1, 0, 0, "")
COUNTERS = 50
AT_ONCE, CALLS_OF_A_WAY = 100, 20_000
PATIENCE = 1.0  # seconds for one Sentinel
LOOKS = 5


async def _cost(ask: Callable[[int], Awaitable[Any]], at_once: int, calls: int) -> float:
    """Microseconds of CPU a call, here."""
    await ask(at_once)
    begun = time.process_time()
    for _ in range(calls // at_once):
        await ask(at_once)
    return (time.process_time() - begun) / calls * 1e6


async def _cluster_rows(servers: ClusterServers) -> list[list[object]]:
    client = RedisCluster(host="127.0.0.1", port=servers.redis[0].port)
    await client.initialize()
    digest = await client.script_load(SCRIPT)
    given = {"quotas": [QUOTA], "cluster": {"addresses": servers.addresses}, "timeout": "10s"}

    async def tasks(number: int) -> None:
        await asyncio.gather(*(client.evalsha(digest, 1, f"b{each % COUNTERS}", *ARGUMENTS) for each in range(number)))

    async def pipeline(number: int) -> None:
        made: Any = client.pipeline()
        for each in range(number):
            # Its method `evalsha` is refused in pipelines of a cluster; the command by its name is not.
            made.execute_command("EVALSHA", digest, 1, f"b{each % COUNTERS}", *ARGUMENTS)
        await made.execute()

    async with AskedQuota(Redisquota(), given, ("app",)) as asked:

        async def adapter(number: int) -> None:
            await asyncio.gather(*(asked.call(1, app=f"a{each % COUNTERS}") for each in range(number)))

        ways = [
            ("client library, pipelines of 100", pipeline, AT_ONCE, CALLS_OF_A_WAY),
            ("client library, 32 tasks", tasks, 32, 3_200),
            ("redisquota, 32 at once", adapter, 32, CALLS_OF_A_WAY),
            ("redisquota, 100 at once", adapter, AT_ONCE, CALLS_OF_A_WAY),
        ]
        found = [(name, await _cost(ask, at_once, calls)) for name, ask, at_once, calls in ways]
    await client.aclose()
    return [[cost / found[0][1], name, cost, 1e6 / cost] for name, cost in found]


async def _library(addresses: list[tuple[str, int]]) -> None:
    patient = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}
    client = Sentinel(addresses, sentinel_kwargs=patient)
    await client.discover_master(MASTER)
    await client.aclose()


async def _own(addresses: list[tuple[str, int]]) -> None:
    client = Sentinels(Door(None, "", None, PATIENCE), MASTER, addresses, PATIENCE)
    await client.master()
    await client.close()


async def _milliseconds(look: Callable[[list[tuple[str, int]]], Awaitable[None]], servers: Watched) -> float:
    addresses = [("127.0.0.1", each.port) for each in servers.sentinels]
    took = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        await look(addresses)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


async def _sentinel_rows(servers: Watched) -> list[list[object]]:
    rows: list[list[object]] = []
    for silent in range(3):
        for each in servers.sentinels[:silent]:
            each.pause()
        own, library = await _milliseconds(_own, servers), await _milliseconds(_library, servers)
        rows += [[own / library, f"redisquota, {silent} of 3 silent", own]]
        rows += [[1.0, f"client library, {silent} of 3 silent", library]]
        for each in servers.sentinels[:silent]:
            each.resume()
    return rows


def measure() -> str:
    """Two tables. FileNotFoundError where Redis's programs are not installed."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        cluster = ClusterServers(Path(folder))
        try:
            cluster.start()
            rows = uvloop.run(_cluster_rows(cluster))
        finally:
            cluster.kill()
        watched = Watched(Path(folder))
        try:
            watched.start()
            looks = uvloop.run(_sentinel_rows(watched))
        finally:
            watched.kill()
    header = ["pipelines = 1", "way", "us of CPU a call", "calls a core second"]
    found = table("Quotas in a Redis Cluster of three", header, rows)
    return found + "\n" + table("To find the master behind Sentinels", ["library = 1", "way", "ms"], looks)
