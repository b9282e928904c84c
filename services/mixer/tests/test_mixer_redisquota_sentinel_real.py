"""redisquota and a master that three Sentinels watch: twenty callers, failovers, logins, and all of it away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED, UNAVAILABLE
from flotilla_mixer.testing.quotas import (
    FIXED,
    ROLLING,
    AskedQuota,
    crowd,
    fixed_windows,
    most_in_any_window,
    placed,
)
from flotilla_mixer.testing.redis_failover import MASTER, Watched, running_watched, until
from flotilla_mixer.testing.redis_server import RedisServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

pytestmark = pytest.mark.real

LIMIT, WINDOW = 40, 0.4
CROWDED = {"maxAmount": str(LIMIT), "validDuration": f"{WINDOW}s", "bucketDuration": "0.04s"}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    yield from running_watched(tmp_path)


def by_sentinels(
    servers: Watched, quota: dict[str, Any] = FIXED, **params: Any
) -> AbstractAsyncContextManager[AskedQuota]:
    sentinel = {"masterName": MASTER, "addresses": servers.addresses, **params.pop("sentinel", {})}
    return placed(quota, **{"sentinel": sentinel, "timeout": "5s", "connectTimeout": "1s", **params})


@asynccontextmanager
async def two_mixers(servers: Watched, window: dict[str, Any]) -> AsyncIterator[list[AskedQuota]]:
    crowded = {**window, **CROWDED}
    async with by_sentinels(servers, crowded) as one, by_sentinels(servers, crowded) as other:
        yield [one, other]


async def granted(quota: AskedQuota, amount: int, **dimensions: object) -> None:
    """Ask until so much is granted."""
    async with asyncio.timeout(90):
        while (await quota.ask(amount, **dimensions)).amount != amount:
            await asyncio.sleep(0.02)


async def replicated(servers: Watched) -> None:
    """The replica has all that the master has."""
    with servers.master().client() as client:
        await until(lambda: client.wait(1, 50) == 1)


# the limit is one


async def test_twenty_callers_share_a_rolling_window(watched: Watched) -> None:
    async with two_mixers(watched, ROLLING) as quotas:
        log = await crowd(quotas, 20, 1.5)
    assert sum(each.amount for each in log) > LIMIT
    assert most_in_any_window(log, WINDOW) <= LIMIT


async def test_twenty_callers_share_a_fixed_window(watched: Watched) -> None:
    async with two_mixers(watched, FIXED) as quotas:
        log = await crowd(quotas, 20, 1.5)
    windows = fixed_windows(log, WINDOW)
    assert len(windows) > 1
    assert max(windows) <= LIMIT


# failover


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_what_the_replica_has_still_counts_when_the_master_is_killed(
    watched: Watched, window: dict[str, Any]
) -> None:
    async with by_sentinels(watched, window) as quota:
        assert (await quota.ask(4, app="a")).amount == 4
        await replicated(watched)
        old = watched.master()
        old.kill()
        await until(lambda: watched.master() is not old)
        await granted(quota, 1, app="b")
        assert [await quota.ask(2, app="a"), (await quota.ask(1, app="a")).amount] == [EXHAUSTED, 1]
        assert await quota.ask(1, app="a") == EXHAUSTED
        old.start()  # empty, and a master as it believes until the Sentinels tell it otherwise
        assert await quota.ask(1, app="a") == EXHAUSTED


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_twenty_callers_go_on_when_the_master_is_killed(watched: Watched, window: dict[str, Any]) -> None:
    """Of each of the two masters no window has more than the limit."""
    async with two_mixers(watched, window) as quotas:

        async def fail() -> None:
            old = watched.master()
            old.kill()
            await until(lambda: watched.master() is not old)
            await asyncio.gather(*(granted(quota, 1, app="b") for quota in quotas))

        log = await crowd(quotas, 20, 0.5, fail)
        assert most_in_any_window(log, WINDOW) <= 2 * LIMIT
        after = await crowd(quotas, 20, 1.0)
        assert most_in_any_window(after, WINDOW) <= LIMIT


async def test_what_callers_were_told_is_never_more_than_the_limit_where_the_replica_is_waited_for(
    watched: Watched,
) -> None:
    """The master is killed while twenty use up the limit of one long window."""
    whole = {**FIXED, "maxAmount": "3000", "validDuration": "600s"}
    async with by_sentinels(watched, whole, waitForReplicas="1", timeout="1s") as quota:
        await granted(quota, 1, app="a")

        async def fail() -> None:
            old = watched.master()
            await asyncio.sleep(0.1)  # so that it is in the midst of it
            old.kill()
            await until(lambda: watched.master() is not old)
            (new,) = [each for each in watched.redis if each is not old]
            with new.client() as client:  # there is no replica now, so nothing is granted
                counted = int(client.hget("flotilla:quota:{calls.instance.default;app=a}:fixed", "used") or 0)
            told.append(counted)

        told: list[int] = []
        log = await crowd([quota], 20, 0.3, fail)
        assert 0 < sum(each.amount for each in log) < told[0] + 1
        assert quota.background.counted("dropped").keys() & {"replicas", "unreachable"}


async def test_a_master_that_was_cut_off_is_left(watched: Watched) -> None:
    """It holds its connections, and does not know yet that another is master now."""
    async with by_sentinels(watched, FIXED, timeout="0.3s") as quota:
        assert (await quota.ask(3, app="a")).amount == 3
        await replicated(watched)
        old = watched.master()
        old.pause()
        try:
            assert await quota.ask(1, app="a") == UNAVAILABLE
            await until(lambda: watched.master() is not old)
            await granted(quota, 1, app="b")
        finally:
            old.resume()
        assert [await quota.ask(3, app="a"), (await quota.ask(2, app="a")).amount] == [EXHAUSTED, 2]


async def test_a_failover_that_is_ordered_is_followed_within_moments(watched: Watched) -> None:
    async with by_sentinels(watched) as quota:
        assert (await quota.ask(3, app="a")).amount == 3
        await replicated(watched)
        old = watched.master()
        with watched.sentinels[0].client() as client:
            client.execute_command("SENTINEL FAILOVER", MASTER)
        await until(lambda: watched.master() is not old)
        counter = "flotilla:quota:{calls.instance.default;app=b}:fixed"
        with watched.master().client() as client:
            async with asyncio.timeout(90):
                while not client.exists(counter):
                    await quota.ask(-1, app="b")
                    await quota.ask(1, app="b")


# what is away


async def test_sentinels_that_are_away_do_not_matter_while_the_master_is_there(watched: Watched) -> None:
    async with by_sentinels(watched) as quota:
        assert (await quota.ask(1, app="a")).amount == 1
        for sentinel in watched.sentinels:
            sentinel.kill()
        assert (await quota.ask(1, app="a")).amount == 1


async def test_one_sentinel_of_three_is_enough_to_find_the_master(watched: Watched) -> None:
    watched.sentinels[0].kill()
    watched.sentinels[1].pause()
    async with by_sentinels(watched, connectTimeout="2s") as quota:
        assert (await quota.ask(1, app="a")).amount == 1
    watched.sentinels[1].resume()


@pytest.mark.parametrize(("choice", "code"), [("UNAVAILABLE", 14), ("GRANT", 0), ("REFUSE", 8)])
async def test_without_a_quorum_it_fails_as_configured_and_comes_back(watched: Watched, choice: str, code: int) -> None:
    async with by_sentinels(watched, timeout="0.5s", whenAway=choice) as quota:
        await granted(quota, 1, app="a")
        for each in (*watched.sentinels, *watched.redis):
            each.kill()
        for _ in range(5):
            found = await asyncio.wait_for(quota.call(1, app="a"), 5)
            assert not isinstance(found, str)
            assert found.code == code
        for each in (*watched.redis, *watched.sentinels):
            each.start()
        async with asyncio.timeout(90):
            while (await quota.ask(1, app="b")).valid_seconds < 50:  # what Redis did not grant holds shorter
                await asyncio.sleep(0.02)


async def test_a_master_that_nobody_knows_is_told(watched: Watched, capfd: pytest.CaptureFixture[str]) -> None:
    async with by_sentinels(watched, sentinel={"masterName": "other"}) as quota:
        assert await quota.ask(1, app="a") == UNAVAILABLE
        assert quota.background.counted("backend_errors")["refused"] >= 1
    assert "a Sentinel says of master 'other': No such master with that name" in "".join(capfd.readouterr())


async def test_a_master_without_enough_replicas_may_refuse_to_count(tmp_path: Path) -> None:
    more = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
    for servers in running_watched(tmp_path, of_redis=more):
        async with by_sentinels(servers) as quota:
            await granted(quota, 1, app="a")
            (replica,) = [each for each in servers.redis if each is not servers.master()]
            replica.kill()
            async with asyncio.timeout(90):
                while "refused" not in quota.background.counted("dropped"):
                    await quota.ask(1, app="b")
            assert await quota.ask(1, app="c") == UNAVAILABLE
            replica.start()
            await granted(quota, 1, app="d")


# logins


def _files(folder: Path, authority: CertificateAuthorityForTests, name: str) -> tuple[str, str]:
    made = authority.certificate(f"spiffe://cluster.local/ns/default/sa/{name}", (f"{name}.example",))
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    chain.write_bytes(made.chain_pem)
    key.write_bytes(made.key_pem)
    return str(chain), str(key)


async def test_passwords_and_tls_of_both_kinds_of_servers(
    tmp_path: Path, authority: CertificateAuthorityForTests, capfd: pytest.CaptureFixture[str]
) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text(authority.root_pem)
    chain, key = _files(tmp_path, authority, "redis")
    files = ("--tls-cert-file", chain, "--tls-key-file", key, "--tls-ca-cert-file", str(ca))
    tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(ca), "ssl_check_hostname": False}
    tls |= {"ssl_certfile": chain, "ssl_keyfile": key}
    for name, word in (("redis", "of-redis"), ("sentinel", "of-sentinel"), ("wrong", "no-such-word")):
        (tmp_path / name).write_text(word)
    mine = {"caFile": str(ca), "serverName": "redis.example", "certificateFile": chain, "keyFile": key}
    # As the adapter's README has it.
    commands = "+auth +select +client|setname +script|load +evalsha +time +hmget +hset +hget +hdel +pexpire +del +role"
    user = ("--user", "mixer", "on", ">of-redis", "~flotilla:*", *commands.split())
    watcher = "user mixer on >of-sentinel +auth +client|setname +sentinel|master"
    for servers in running_watched(
        tmp_path,
        options=(*files, "--tls-replication", "yes"),
        of_redis=("--requirepass", "of-redis", "--masterauth", "of-redis", *user),
        lines=(
            f"sentinel auth-pass {MASTER} of-redis",
            "requirepass of-sentinel",
            "sentinel sentinel-pass of-sentinel",
            watcher,
        ),
        login={**tls, "password": "of-redis"},
        of_sentinels={**tls, "password": "of-sentinel"},
    ):
        of_sentinel = {"passwordFile": str(tmp_path / "sentinel"), "tls": mine}
        right: dict[str, Any] = {"passwordFile": str(tmp_path / "redis"), "tls": mine, "sentinel": of_sentinel}
        right |= {"timeout": "10s", "connectTimeout": "10s"}
        ways = {
            "as it should be": (right, True),
            "as users of few rights": (
                {**right, "username": "mixer", "sentinel": {**of_sentinel, "username": "mixer"}},
                True,
            ),
            "a wrong password of Redis": ({**right, "passwordFile": str(tmp_path / "wrong")}, False),
            "a wrong password of Sentinels": (
                {**right, "sentinel": {**of_sentinel, "passwordFile": str(tmp_path / "wrong")}},
                False,
            ),
            "no TLS to Sentinels": ({**right, "sentinel": {"passwordFile": str(tmp_path / "sentinel")}}, False),
            "no TLS to Redis": ({**right, "tls": None}, False),
        }
        for way, (params, works) in ways.items():
            given = {name: value for name, value in params.items() if value is not None}
            async with by_sentinels(servers, **given) as quota:
                assert ((await quota.ask(1, app="a")).amount == 1) is works, way
        async with by_sentinels(servers, **right) as quota:
            old = servers.master()
            old.kill()
            await until(lambda: servers.master() is not old)  # noqa: B023  # called here
            await granted(quota, 1, app="c")
    said = "".join(capfd.readouterr())
    assert not any(word in said for word in ("of-redis", "of-sentinel", "no-such-word"))


def test_a_server_of_a_test_is_one_of_the_two(watched: Watched) -> None:
    assert isinstance(watched.master(), RedisServer)
    assert watched.master() is watched.redis[0]
