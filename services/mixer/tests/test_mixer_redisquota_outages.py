"""redisquota and a real Redis that is killed, stopped, full or locked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED, UNAVAILABLE
from flotilla_mixer.testing.quotas import FIXED, ROLLING, AskedQuota, on_its_own_clock
from flotilla_mixer.testing.redis_server import RedisServer, running_redis
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

pytestmark = pytest.mark.real


# Redis comes and goes


@pytest.mark.parametrize(("choice", "code"), [("UNAVAILABLE", 14), ("GRANT", 0), ("REFUSE", 8)])
async def test_killed_and_back(own_redis: RedisServer, choice: str, code: int) -> None:
    async with on_its_own_clock(own_redis, FIXED, whenAway=choice, timeout="10s", connectTimeout="5s") as quota:
        assert (await quota.ask(2, app="a")).amount == 2
        own_redis.kill()
        found = await quota.ask(1, app="a")
        assert (found.code, found.amount) == (code, 1 if choice == "GRANT" else 0)
        own_redis.start()
        while (await quota.ask(1, app="b")).valid_seconds < 90:  # what Redis has not granted holds shorter
            await asyncio.sleep(0.01)
        assert (await quota.ask(5, app="a")).amount == 5, "it counts again, from nothing"
        assert (await quota.ask(1, app="a")) == EXHAUSTED


async def test_killed_while_nobody_asks_and_back_at_once(own_redis: RedisServer) -> None:
    """The connection that is dead is noticed before a call is lost to it."""
    async with on_its_own_clock(own_redis, FIXED, connectionPoolSize="1", timeout="10s") as quota:
        assert (await quota.ask(1, app="a")).amount == 1
        own_redis.kill()
        own_redis.start()
        await asyncio.sleep(0.01)  # so that the loop hears of it
        assert (await quota.ask(5, app="a")).amount == 5


async def test_stopped_it_is_not_waited_for_longer_than_the_timeout(own_redis: RedisServer) -> None:
    async with on_its_own_clock(own_redis, FIXED, timeout="0.2s", connectTimeout="0.2s") as quota:
        assert (await quota.ask(1, app="a")).amount == 1
        own_redis.pause()
        try:
            found = await asyncio.gather(*(quota.call(1, app="a") for _ in range(20)))
            assert found == [UNAVAILABLE] * 20
            assert quota.background.counted("dropped")["timeout"] == 20
            while not quota.handler.links.away:  # both links have to find out
                assert await quota.ask(1, app="a") == UNAVAILABLE
            assert quota.call(1, app="a").result() == UNAVAILABLE, "nobody waits any more"
        finally:
            own_redis.resume()
        await asyncio.wait_for(quota.handler.links.ready.wait(), 20)
        assert (await quota.ask(1, app="b")).amount == 1, "of a, Redis has counted what it was asked before, too"


async def test_there_only_after_the_handler(tmp_path: Path) -> None:
    port = free_port()
    later = running_redis(tmp_path, port=port)
    params = {"quotas": [FIXED], "redisServerUrl": f"127.0.0.1:{port}"}
    async with AskedQuota(Redisquota(), params, ("app",)) as quota:
        assert await quota.ask(1, app="a") == UNAVAILABLE
        next(later)
        await asyncio.wait_for(quota.handler.links.ready.wait(), 20)
        assert (await quota.ask(1, app="a")).amount == 1
    later.close()


async def test_the_script_is_loaded_again_where_it_is_forgotten(redis: RedisServer) -> None:
    async with on_its_own_clock(redis, FIXED, timeout="10s") as quota:
        assert (await quota.ask(1, app="a")).amount == 1
        with redis.client() as client:
            client.script_flush()
        found = await asyncio.gather(*(quota.call(1, app="a") for _ in range(5)))
        assert sorted(each.amount for each in found if not isinstance(each, str)) == [0, 1, 1, 1, 1]
        assert quota.background.counted("dropped") == {}


async def test_a_redis_that_is_full_refuses_and_nobody_is_counted_wrongly(redis: RedisServer) -> None:
    async with on_its_own_clock(redis, FIXED, timeout="10s") as quota:
        await quota.handler.links.ready.wait()
        with redis.client() as client:
            client.config_set("maxmemory", "1")
            try:
                assert await quota.ask(1, app="a") == UNAVAILABLE
            finally:
                client.config_set("maxmemory", "0")
        assert quota.background.counted("dropped") == {"refused": 1}
        assert (await quota.ask(5, app="a")).amount == 5


# a Redis that is locked


async def test_users_passwords_and_databases(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong-one\n")
    # As the adapter's README has it.
    commands = "+auth +select +client|setname +script|load +evalsha +time +hmget +hset +hget +hdel +pexpire +del"
    user = ("--user", "mixer", "on", ">open-sesame", "~flotilla:*", *commands.split())
    assert commands in (Redisquota.folder / "README.md").read_text()
    for redis in running_redis(tmp_path, user):
        login = {"username": "mixer", "passwordFile": str(secret), "database": "3", "timeout": "10s"}
        async with on_its_own_clock(redis, ROLLING, **login) as quota:
            assert await quota.ask(1, app="a") == UNAVAILABLE
            assert quota.background.counted("backend_errors")["refused"] >= 1
            secret.write_text("open-sesame\n")
            await asyncio.wait_for(quota.handler.links.ready.wait(), 20)
            assert (await quota.ask(1, "x", app="a")).amount == 1
            assert (await quota.ask(-1, app="a")).amount == -1
        with redis.client() as client:
            client.select(3)
            assert client.dbsize() == 2
    said = "".join(capfd.readouterr())
    assert "wrong-one" not in said
    assert "open-sesame" not in said


def _pem(folder: Path, authority: CertificateAuthorityForTests, name: str) -> tuple[str, str]:
    made = authority.certificate(f"spiffe://cluster.local/ns/default/sa/{name}", (f"{name}.example",))
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    chain.write_bytes(made.chain_pem)
    key.write_bytes(made.key_pem)
    return str(chain), str(key)


async def test_tls_on_both_sides(tmp_path: Path, authority: CertificateAuthorityForTests) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text(authority.root_pem)
    (server_chain, server_key), (chain, key) = (_pem(tmp_path, authority, name) for name in ("redis", "mixer"))
    port = free_port()
    files = ("--tls-cert-file", server_chain, "--tls-key-file", server_key, "--tls-ca-cert-file", str(ca))
    whole = {"caFile": str(ca), "serverName": "redis.example", "certificateFile": chain, "keyFile": key}
    ways = {
        "as it should be": (whole, True),
        "another name": ({**whole, "serverName": "other.example"}, False),
        "no certificate": ({"caFile": str(ca), "serverName": "redis.example"}, False),
        "an authority that is not known": ({**whole, "caFile": ""}, False),
        "no TLS": (None, False),
    }
    for redis in running_redis(tmp_path, ("--port", "0", "--tls-port", str(port), *files), port):
        for way, (tls, works) in ways.items():
            more: dict[str, Any] = {} if tls is None else {"tls": tls}
            async with on_its_own_clock(redis, FIXED, timeout="5s", connectTimeout="2s", **more) as quota:
                assert ((await quota.ask(1, app="a")).amount == 1) is works, way
