"""redisquota and a Redis Cluster: twenty callers, slots that move, masters that die, logins, and all of it away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED, REFUSED
from flotilla_mixer.adapters.redisquota.limits import Limits
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.quotas import (
    CALLS,
    FIXED,
    ROLLING,
    AskedQuota,
    crowd,
    fixed_windows,
    most_in_any_window,
    placed,
)
from flotilla_mixer.testing.redis_failover import ClusterServers, running_cluster, until
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

pytestmark = pytest.mark.real

LIMIT, WINDOW = 40, 0.4
CROWDED = {"maxAmount": str(LIMIT), "validDuration": f"{WINDOW}s", "bucketDuration": "0.04s"}
SPEC = InstanceSpec(CALLS, QUOTA, {}, {"dimensions": ("app",)})


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """Three, which no test may stop."""
    yield from running_cluster(tmp_path_factory.mktemp("cluster"))


@pytest.fixture
def cluster(masters: ClusterServers) -> ClusterServers:
    """Empty, and with the scripts of nobody."""
    for each in masters.redis:
        with each.client() as client:
            client.flushall()
            client.script_flush()
    return masters


@pytest.fixture
def six(tmp_path: Path) -> Iterator[ClusterServers]:
    """Three masters, each with a replica, that a test may stop."""
    yield from running_cluster(tmp_path, replicas=True)


def by_nodes(
    servers: ClusterServers, quota: dict[str, Any] = FIXED, **params: Any
) -> AbstractAsyncContextManager[AskedQuota]:
    cluster = {"addresses": servers.addresses[:3]}
    return placed(quota, **{"cluster": cluster, "timeout": "5s", "connectTimeout": "1s", **params})


@asynccontextmanager
async def two_mixers(servers: ClusterServers, window: dict[str, Any]) -> AsyncIterator[list[AskedQuota]]:
    crowded = {**window, **CROWDED}
    async with by_nodes(servers, crowded) as one, by_nodes(servers, crowded) as other:
        yield [one, other]


def slot_of(app: str) -> int:
    quota = json_format.ParseDict(FIXED, Params.Quota())
    return Limits(quota, SPEC, "flotilla").find((app,)).slot


def other_than(servers: ClusterServers, slot: int) -> Any:
    owner = servers.owner(slot)
    return next(each for each in servers.redis[:3] if each is not owner)


async def granted(quota: AskedQuota, amount: int, **dimensions: object) -> None:
    """Ask until so much is granted."""
    async with asyncio.timeout(90):
        while (await quota.ask(amount, **dimensions)).amount != amount:
            await asyncio.sleep(0.02)


async def replicated(servers: ClusterServers, slot: int) -> None:
    with servers.owner(slot).client() as client:
        await until(lambda: client.wait(1, 50) == 1)


# the limit is one


async def test_twenty_callers_share_a_rolling_window(cluster: ClusterServers) -> None:
    async with two_mixers(cluster, ROLLING) as quotas:
        log = await crowd(quotas, 20, 1.5)
        assert all(quota.background.counted("dropped") == {} for quota in quotas)
    assert sum(each.amount for each in log) > LIMIT
    assert most_in_any_window(log, WINDOW) <= LIMIT


async def test_twenty_callers_share_a_fixed_window(cluster: ClusterServers) -> None:
    async with two_mixers(cluster, FIXED) as quotas:
        log = await crowd(quotas, 20, 1.5)
    windows = fixed_windows(log, WINDOW)
    assert len(windows) > 1
    assert max(windows) <= LIMIT


async def test_counts_are_spread_over_all_nodes(cluster: ClusterServers) -> None:
    apps = [f"app-{number}" for number in range(60)]
    async with by_nodes(cluster) as quota:
        found = await asyncio.gather(*(quota.call(amount, app=app) for amount in (3, 3, 2) for app in apps))
        assert [each.amount for each in found if not isinstance(each, str)] == [3] * 60 + [0] * 60 + [2] * 60
    for each in cluster.redis:
        with each.client() as client:
            assert client.dbsize() > 5, "each has its part"


async def test_a_cluster_is_learned_from_any_of_its_nodes(cluster: ClusterServers) -> None:
    seeds = {"addresses": [f"127.0.0.1:{free_port()}", cluster.redis[2].address]}
    async with by_nodes(cluster, cluster=seeds) as quota:
        found = await asyncio.gather(*(quota.call(1, app=f"app-{number}") for number in range(30)))
        assert [each.amount for each in found if not isinstance(each, str)] == [1] * 30
        assert len(quota.handler.links.nodes) == 3


async def test_the_script_is_loaded_again_on_each_node_that_forgot_it(cluster: ClusterServers) -> None:
    async with by_nodes(cluster) as quota:
        for round_of in range(2):
            found = await asyncio.gather(*(quota.call(1, app=f"{round_of}-{number}") for number in range(30)))
            assert [each.amount for each in found if not isinstance(each, str)] == [1] * 30
            for each in cluster.redis:
                with each.client() as client:
                    client.script_flush()
        assert quota.background.counted("dropped") == {}


# slots that move


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_a_slot_that_moves_while_twenty_call_loses_no_grant(
    cluster: ClusterServers, window: dict[str, Any]
) -> None:
    """There and back again, and each time it stays half moved for a while."""
    slot = slot_of("a")
    async with two_mixers(cluster, window) as quotas:

        async def move() -> None:
            for _ in range(4):
                there = other_than(cluster, slot)
                here = await asyncio.to_thread(cluster.begin_move, slot, there)
                await asyncio.sleep(0.1)  # so that calls come in each state
                await asyncio.to_thread(cluster.move_keys, slot, here, there)
                await asyncio.sleep(0.1)
                await asyncio.to_thread(cluster.move_keys, slot, here, there)
                await asyncio.to_thread(cluster.end_move, slot, here, there)
                await asyncio.sleep(0.1)

        log = await crowd(quotas, 20, 0.5, move)
        assert all(quota.background.counted("dropped") == {} for quota in quotas)
    assert sum(each.amount for each in log) > LIMIT
    if window is ROLLING:
        assert most_in_any_window(log, WINDOW) <= LIMIT
    else:
        assert max(fixed_windows(log, WINDOW)) <= LIMIT


@pytest.mark.parametrize("keys_first", [True, False])
async def test_calls_with_identifiers_count_in_a_slot_that_is_half_moved(
    cluster: ClusterServers, keys_first: bool
) -> None:
    """Their two keys are on two sides, or new: a repetition may count twice then, and never less than once."""
    slot, there = slot_of("a"), other_than(cluster, slot_of("a"))
    async with by_nodes(cluster) as quota:
        if keys_first:
            assert (await quota.ask(1, "before", app="a")).amount == 1
        here = cluster.begin_move(slot, there)
        assert (await quota.ask(2, "one", app="a")).amount == 2
        cluster.move_keys(slot, here, there)
        assert (await quota.ask(1, "two", app="a")).amount == 1
        assert (await quota.ask(5 - 3 - keys_first, "three", app="a")).amount == 2 - keys_first
        assert await quota.ask(1, "four", app="a") == EXHAUSTED
        cluster.move_keys(slot, here, there)
        cluster.end_move(slot, here, there)
        assert await quota.ask(1, "five", app="a") == EXHAUSTED
        assert (await quota.ask(1, "six", app="b")).amount == 1
        assert quota.background.counted("dropped") == {}


# nodes that die


@pytest.mark.parametrize("window", [FIXED, ROLLING])
async def test_what_the_replica_has_still_counts_when_its_master_is_killed(
    six: ClusterServers, window: dict[str, Any]
) -> None:
    slot = slot_of("a")
    async with by_nodes(six, window) as quota:
        assert (await quota.ask(4, app="a")).amount == 4
        await replicated(six, slot)
        old = six.owner(slot)
        old.kill()
        await until(lambda: six.owner(slot) is not old)
        await granted(quota, 1, app="a")
        assert await quota.ask(1, app="a") == EXHAUSTED
        old.start()
        await until(lambda: all(six.is_whole(each) for each in six.redis))
        assert await quota.ask(1, app="a") == EXHAUSTED


async def test_twenty_callers_go_on_when_a_master_is_killed(six: ClusterServers) -> None:
    """Of each of the two masters no window has more than the limit."""
    slot = slot_of("a")
    async with two_mixers(six, ROLLING) as quotas:

        async def fail() -> None:
            old = six.owner(slot)
            beside = next(app for app in map(str, range(100)) if six.owner(slot_of(app)) is old)
            old.kill()
            await until(lambda: six.owner(slot) is not old)
            await asyncio.gather(*(granted(quota, 1, app=beside) for quota in quotas))

        log = await crowd(quotas, 20, 0.5, fail)
        assert most_in_any_window(log, WINDOW) <= 2 * LIMIT
        after = await crowd(quotas, 20, 1.0)
        assert most_in_any_window(after, WINDOW) <= LIMIT


async def test_replicas_of_a_cluster_are_waited_for(six: ClusterServers) -> None:
    async with by_nodes(six, waitForReplicas="1", timeout="2s") as quota:
        found = await asyncio.gather(*(quota.call(1, app=str(number)) for number in range(20)))
        assert [each.amount for each in found if not isinstance(each, str)] == [1] * 20
        slot = slot_of("a")
        old = six.owner(slot)
        assert (await quota.ask(4, app="a")).amount == 4
        old.kill()
        await until(lambda: six.owner(slot) is not old)
        async with asyncio.timeout(90):
            while (await quota.ask(2, app="a")) != EXHAUSTED:
                await asyncio.sleep(0.02)
        assert (await quota.ask(1, app="a")).code == 14, "it was counted, and nobody but the master has it"
        assert quota.background.counted("dropped")["replicas"] == 1


async def test_a_failover_that_is_ordered_loses_nothing(six: ClusterServers) -> None:
    slot = slot_of("a")
    async with two_mixers(six, ROLLING) as quotas:

        async def fail() -> None:
            old = six.owner(slot)
            replica = next(each for each in six.redis[3:] if await_follows(each, old.port))
            with replica.client() as client:
                client.execute_command("CLUSTER FAILOVER")
            await until(lambda: six.owner(slot) is replica)

        log = await crowd(quotas, 20, 1.0, fail)
        assert most_in_any_window(log, WINDOW) <= LIMIT


def await_follows(replica: Any, port: int) -> bool:
    with replica.client() as client:
        return bool(client.info("replication").get("master_port") == port)


async def test_a_slot_without_a_master_is_answered_as_configured_until_it_is_back(tmp_path: Path) -> None:
    """Where all slots must be served, none is: the nodes that are there say CLUSTERDOWN."""
    for servers in running_cluster(tmp_path):
        slot = slot_of("a")
        async with by_nodes(servers, whenAway="REFUSE", timeout="1s") as quota:
            await granted(quota, 1, app="a")
            gone = servers.owner(slot)
            gone.kill()
            elsewhere = next(app for app in map(str, range(100)) if servers.owner(slot_of(app)) is not gone)
            for app in ("a", elsewhere):
                async with asyncio.timeout(90):
                    while await asyncio.wait_for(quota.call(1, app=app), 5) != REFUSED:
                        await asyncio.sleep(0.02)
            gone.start()
            await granted(quota, 5, app="a")
            with servers.owner(slot_of(elsewhere)).client() as client:
                client.flushall()
            await granted(quota, 1, app=elsewhere)


@pytest.mark.parametrize(("choice", "code"), [("UNAVAILABLE", 14), ("GRANT", 0), ("REFUSE", 8)])
async def test_all_away_and_back(tmp_path: Path, choice: str, code: int) -> None:
    for servers in running_cluster(tmp_path):
        async with by_nodes(servers, timeout="0.5s", whenAway=choice) as quota:
            await granted(quota, 1, app="a")
            for each in servers.redis:
                each.kill()
            for _ in range(5):
                found = await asyncio.wait_for(quota.call(1, app="a"), 5)
                assert not isinstance(found, str)
                assert found.code == code
            for each in servers.redis:
                each.start()
            async with asyncio.timeout(90):
                while (await quota.ask(1, app="b")).valid_seconds < 50:  # what Redis did not grant holds shorter
                    await asyncio.sleep(0.02)


async def test_a_node_that_is_silent_is_not_waited_for_and_hurts_no_other(six: ClusterServers) -> None:
    slot = slot_of("a")
    async with by_nodes(six, timeout="0.3s") as quota:
        await granted(quota, 1, app="a")
        old = six.owner(slot)
        elsewhere = next(app for app in map(str, range(100)) if six.owner(slot_of(app)) is not old)
        old.pause()
        try:
            assert (await quota.ask(1, app="a")).code == 14
            assert (await quota.ask(1, app=elsewhere)).amount == 1
            running = next(each for each in six.redis if each is not old)
            six.redis.remove(old)
            six.redis.append(old)
            assert six.redis[0] is not old
            assert running.runs
            await granted(quota, 1, app="a")
        finally:
            old.resume()


# logins


async def test_passwords_and_tls_on_all_nodes(
    tmp_path: Path, authority: CertificateAuthorityForTests, capfd: pytest.CaptureFixture[str]
) -> None:
    ca, chain, key = tmp_path / "ca.crt", tmp_path / "redis.crt", tmp_path / "redis.key"
    made = authority.certificate("spiffe://cluster.local/ns/default/sa/redis", ("redis.example",))
    ca.write_text(authority.root_pem)
    chain.write_bytes(made.chain_pem)
    key.write_bytes(made.key_pem)
    for name, word in (("right", "of-redis"), ("wrong", "no-such-word")):
        (tmp_path / name).write_text(word)
    files = ("--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(ca))
    options = (*files, "--tls-replication", "yes", "--tls-cluster", "yes", "--requirepass", "of-redis")
    cli = ("--tls", "--cacert", str(ca), "--cert", str(chain), "--key", str(key), "-a", "of-redis", "--no-auth-warning")
    tls = {"ssl": True, "ssl_ca_certs": str(ca), "ssl_check_hostname": False}
    login = {**tls, "ssl_certfile": str(chain), "ssl_keyfile": str(key), "password": "of-redis"}
    mine = {"caFile": str(ca), "serverName": "redis.example", "certificateFile": str(chain), "keyFile": str(key)}
    slow = {"timeout": "10s", "connectTimeout": "10s"}  # a handshake for each link to each node
    right: dict[str, Any] = {"passwordFile": str(tmp_path / "right"), "tls": mine, **slow}
    # As the adapter's README has it.
    commands = "+auth +client|setname +script|load +evalsha +time +hmget +hset +hget +hdel +pexpire +del"
    commands += " +asking +cluster|info +cluster|slots +wait"
    more = ("--masterauth", "of-redis", "--user", "mixer", "on", ">of-mixer", "~flotilla:*", *commands.split())
    (tmp_path / "mixer").write_text("of-mixer")
    as_mixer = {**right, "username": "mixer", "passwordFile": str(tmp_path / "mixer")}
    for servers in running_cluster(tmp_path, (*options, *more), login=login, cli=(*cli, "--insecure")):
        async with by_nodes(servers, **right) as quota:
            found = await asyncio.gather(*(quota.call(1, app=str(number)) for number in range(20)))
            assert [each.amount for each in found if not isinstance(each, str)] == [1] * 20
            await granted(quota, 1, app="a")
        async with by_nodes(servers, ROLLING, **as_mixer) as quota:
            await granted(quota, 2, app="b")
            assert (await quota.ask(-1, app="b")).amount == -1
        ways: list[dict[str, Any]] = [{**right, "passwordFile": str(tmp_path / "wrong")}, {"tls": mine, **slow}]
        for wrong in (*ways, {"passwordFile": str(tmp_path / "right"), **slow}):
            async with by_nodes(servers, **wrong) as quota:
                assert (await quota.ask(1, app="a")).code == 14
    said = "".join(capfd.readouterr())
    assert not any(word in said for word in ("of-redis", "of-mixer", "no-such-word"))
