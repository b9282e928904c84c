"""Whole Mixers that share a real Redis: by the native API, through changes of configuration, and while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.redis_failover import MASTER, running_cluster, running_watched, until
from flotilla_mixer.testing.redis_server import RedisServer, running_redis
from flotilla_mixer.testing.running import Running, running_mixer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

pytestmark = pytest.mark.real

MIXC = NativeClient(0)
HERE = {"context.reporter.kind": "inbound", "destination.namespace": "default"}
LIMIT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec:
  compiledAdapter: redisquota
  params:
    %s
    quotas: [{name: calls.instance.default, maxAmount: 100, validDuration: 600s}]
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec: {compiledTemplate: quota}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec: {actions: [{handler: limits, instances: [calls]}]}
"""


class Client:
    """Asks one Mixer as mixc does; every call is another."""

    def __init__(self, running: Running, channel: grpc.aio.Channel) -> None:
        self.running = running
        self._channel = channel
        self._asked = 0

    async def ask(self, amount: int = 1, *, best: bool = False) -> int:
        """How much of the quota was granted."""
        self._asked += 1
        identifier = f"{id(self)}-{self._asked}"
        answer = await MIXC.check(self._channel, MIXC.check_request(HERE, {"calls": (amount, best)}, identifier))
        return int(answer.quotas["calls"].granted_amount)

    async def limit(self, address: str = "", **params: object) -> None:
        written = [f"redisServerUrl: {address}"] if address else []
        await self.running.put(LIMIT % "\n    ".join([*written, *(f"{name}: {each}" for name, each in params.items())]))


async def page(running: Running) -> str:
    """Its /metrics."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(running.monitoring()), base_url="http://m") as http:
        return (await http.get("/metrics")).text


@asynccontextmanager
async def client(authority: CertificateAuthorityForTests, **settings: Any) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_mixer(authority, **settings))
        assert running.mixer.plaintext is not None
        address = f"127.0.0.1:{running.mixer.plaintext.bound_port}"
        yield Client(running, await stack.enter_async_context(grpc.aio.insecure_channel(address)))


async def test_two_mixers_grant_no_more_than_there_is(
    authority: CertificateAuthorityForTests, redis: RedisServer
) -> None:
    async with client(authority) as one, client(authority) as other:
        for each in (one, other):
            await each.limit(redis.address, timeout="5s")
        granted = await asyncio.gather(
            *((one, other)[n % 2].ask(1 + n % 3, best=n % 5 == 0) for n in range(120) for _ in range(2))
        )
        assert sum(granted) == 100
        assert min(await one.ask(best=True), await other.ask(best=True)) == 0


async def test_a_change_of_the_handler_forgets_nothing_and_loses_no_call(
    authority: CertificateAuthorityForTests, redis: RedisServer
) -> None:
    """Each change builds the handler anew, and closes the old one while calls are under way."""
    async with client(authority) as mixer:
        await mixer.limit(redis.address, timeout="5s", maxWaiting=1000)
        granted: list[int] = []
        changed = asyncio.Event()

        async def caller() -> None:
            while not changed.is_set():
                granted.append(await mixer.ask())

        callers = [asyncio.ensure_future(caller()) for _ in range(5)]
        for change in range(20):
            await mixer.limit(redis.address, timeout="5s", maxWaiting=1001 + change)
        changed.set()
        await asyncio.gather(*callers)
        while sum(granted) < 100 and (more := await mixer.ask()):
            granted.append(more)
        assert sum(granted) == 100, "a handler that is new goes on with what the old one counted"
        assert "mixer_handler_entries_dropped_total{" not in await page(mixer.running), "and nobody went without Redis"


async def test_two_mixers_share_a_limit_over_a_failover(
    authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    for servers in running_watched(tmp_path):
        sentinel = f"{{masterName: {MASTER}, addresses: {servers.addresses}}}"
        async with client(authority) as one, client(authority) as other:
            for each in (one, other):
                await each.limit(sentinel=sentinel, waitForReplicas=0, timeout="2s", whenAway="REFUSE")
            assert await one.ask(60) == 60
            old = servers.master()
            with old.client() as inside:
                await until(lambda: inside.wait(1, 50) == 1)  # called here
            old.kill()
            async with asyncio.timeout(90):
                while await other.ask(40) != 40:
                    await asyncio.sleep(0.02)
            assert [await one.ask(best=True), await other.ask(best=True)] == [0, 0]


async def test_two_mixers_share_a_limit_in_a_cluster(authority: CertificateAuthorityForTests, tmp_path: Path) -> None:
    for servers in running_cluster(tmp_path):
        async with client(authority) as one, client(authority) as other:
            for each in (one, other):
                await each.limit(cluster=f"{{addresses: {servers.addresses}}}", timeout="5s")
            granted = await asyncio.gather(*((one, other)[n % 2].ask(1 + n % 3, best=n % 5 == 0) for n in range(120)))
            assert sum(granted) == 100


async def test_configuration_comes_before_redis(authority: CertificateAuthorityForTests, tmp_path: Path) -> None:
    port = free_port()
    later = running_redis(tmp_path, port=port)
    async with client(authority) as mixer:
        await mixer.limit(f"127.0.0.1:{port}", whenAway="GRANT")
        assert not mixer.running.mixer.swap.problems, "it is no mistake of the configuration"
        assert await mixer.ask(500) == 500
        redis = next(later)
        while await mixer.ask(500):
            await asyncio.sleep(0.01)
        assert await mixer.ask(100) == 100
        with redis.client() as inside:
            assert inside.hget("flotilla:quota:{calls.instance.default}:fixed", "used") == "100"
    later.close()


async def test_a_handler_that_names_no_redis_has_that_of_the_settings(
    authority: CertificateAuthorityForTests, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text("sesame")
    for redis in running_redis(tmp_path, ("--requirepass", "sesame")):
        login = {"redis_address": redis.address, "redis_password_file": str(secret)}
        async with client(authority, **login) as mixer:
            await mixer.limit(timeout="5s")
            assert [await mixer.ask(60), await mixer.ask(60)] == [60, 0]
    assert "sesame" not in "".join(capfd.readouterr())
