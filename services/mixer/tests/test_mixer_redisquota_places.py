"""Sentinels and clusters that say what real ones hardly ever say: old news, nonsense, nothing, and one another's names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.connection import Door
from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED, UNAVAILABLE
from flotilla_mixer.adapters.redisquota.limits import Limits
from flotilla_mixer.adapters.redisquota.sentinels import Sentinels
from flotilla_mixer.adapters.redisquota.settings import Address
from flotilla_mixer.adapters.redisquota.topology import SLOTS, endpoint, owners, spans_of
from flotilla_mixer.kit.results import QuotaResult
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.quotas import CALLS, FIXED, AskedQuota, placed
from flotilla_mixer.testing.redis_scripted import Command, ScriptedRedis, granted, packed, scripted
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params
from flotilla_shared.testing.ports import free_port

SPEC = InstanceSpec(CALLS, QUOTA, {}, {"dimensions": ("app",)})

# parameters

SENTINEL = {"masterName": "m", "addresses": ["a:1"]}
CLUSTER = {"addresses": ["a:1"]}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sentinel": {"addresses": ["a:1"]}}, ".sentinel.masterName"),
    ({"sentinel": {"masterName": "m"}}, ".sentinel.addresses"),
    ({"sentinel": {"masterName": "m", "addresses": ["a:x"]}}, ".sentinel.addresses[0]"),
    ({"sentinel": {"masterName": "m", "addresses": ["a"] * 51}}, ".sentinel.addresses"),
    ({"sentinel": {**SENTINEL, "username": "u"}}, ".sentinel.passwordFile"),
    ({"sentinel": {**SENTINEL, "tls": {"keyFile": "k"}}}, ".sentinel.tls.keyFile"),
    ({"cluster": {}}, ".cluster.addresses"),
    ({"cluster": {"addresses": ["a:1", "redis://b"]}}, ".cluster.addresses[1]"),
    ({"cluster": CLUSTER, "database": "1"}, ".database"),
    ({"cluster": CLUSTER, "sentinel": SENTINEL}, ""),
    ({"cluster": CLUSTER, "redisServerUrl": "a:1"}, ""),
    ({"sentinel": SENTINEL, "redisServerUrl": "a:1"}, ""),
]


@pytest.mark.parametrize(("params", "field"), WRONG, ids=[field or f"both-{n}" for n, (_, field) in enumerate(WRONG)])
def test_places_that_make_no_sense(params: dict[str, Any], field: str) -> None:
    faults = AskedQuota(Redisquota(), {"quotas": [FIXED], **params}, ("app",)).faults
    assert list(faults) == [f"spec.params{field}"]
    assert all(text.endswith(".") for text in faults.values())


@pytest.mark.parametrize("params", [{"sentinel": SENTINEL, "database": "3"}, {"cluster": CLUSTER}])
def test_places_that_make_sense(params: dict[str, Any]) -> None:
    assert AskedQuota(Redisquota(), {"quotas": [FIXED], **params}, ("app",)).faults == {}


# Sentinels


def names(epoch: object, port: int, **more: object) -> bytes:
    """What a Sentinel says of its master."""
    known = {"name": "m", "ip": "127.0.0.1", "port": port, "config-epoch": epoch, **more}
    return packed([each for pair in known.items() for each in pair])


def saying(reply: bytes | None) -> Callable[[Command], bytes | None]:
    return lambda _: reply


async def found(replies: Sequence[bytes | None], seconds: float = 5.0, missing: int = 0) -> Address:
    """The master of Sentinels that say so, beside some that are not there."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(scripted(saying(reply))) for reply in replies]
        addresses = [("127.0.0.1", each.port) for each in servers]
        addresses += [("127.0.0.1", free_port()) for _ in range(missing)]
        asked = Sentinels(Door(None, "", None, seconds), "m", addresses, seconds)
        try:
            return await asked.master()
        finally:
            await asked.close()


NO_MASTER = b"-ERR No such master with that name\r\n"


@pytest.mark.parametrize(
    ("replies", "missing"),
    [
        ([names(7, 2)], 0),
        ([names(7, 2), names(7, 2), names(7, 2)], 0),
        ([names(6, 1), names(7, 2), names(7, 2)], 0),
        ([names(6, 1), names(7, 2)], 1),
        ([names(7, 2)], 2),
        ([NO_MASTER, names(7, 2)], 0),
        ([b"-LOADING wait\r\n", b"*1\r\n$1\r\na\r\n", names(7, 2)], 0),
        ([packed(3), packed([1, 2]), packed(None), names(7, 2)], 0),
        ([names("seven", 9), packed([]), packed(["ip", "x"]), names(7, 2)], 0),
    ],
)
async def test_the_newest_epoch_of_those_that_answer_is_right(replies: list[bytes], missing: int) -> None:
    assert await found(replies, missing=missing) == ("127.0.0.1", 2)


async def test_a_sentinel_that_is_silent_is_not_waited_for_longer_than_half_the_time() -> None:
    assert await found([None, None, names(7, 2)], seconds=0.4) == ("127.0.0.1", 2)


@pytest.mark.parametrize(
    ("replies", "error", "text"),
    [
        ([NO_MASTER, NO_MASTER], ResponseError, "a Sentinel says of master 'm': No such master"),
        ([packed([])], RedisConnectionError, "another way"),
        ([None], RedisError, "no Sentinel has said in time"),
    ],
)
async def test_sentinels_that_name_no_master(replies: list[bytes | None], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        await found(replies, seconds=0.2)


async def test_a_connection_to_a_sentinel_is_kept_while_it_works() -> None:
    async with scripted(saying(names(1, 2))) as server:
        asked = Sentinels(Door(None, "", None, 5), "m", [("127.0.0.1", server.port)] * 2, 5)
        for _ in range(3):
            await asked.master()
        assert (server.connections, len(server.heard)) == (1, 3)
        assert server.heard[0] == [b"SENTINEL", b"MASTER", b"m"]
        server.script = saying(b"-ERR no\r\n")
        for _ in range(2):
            with pytest.raises(ResponseError):
                await asked.master()
        assert server.connections == 2
        await asked.close()


def counts(role: str = "master", amount: int = 1) -> Callable[[Command], bytes]:
    """A Redis that grants."""
    return lambda command: packed([role, 0, []]) if command[0] == b"ROLE" else granted(amount)


def by_sentinels(server: ScriptedRedis, **params: Any) -> AbstractAsyncContextManager[AskedQuota]:
    sentinel = {"masterName": "m", "addresses": [server.address]}
    given = {"sentinel": sentinel, "timeout": "2s", "connectTimeout": "1s", "connectionPoolSize": "1", **params}
    return placed(FIXED, **given)


async def test_a_replica_that_a_sentinel_calls_a_master_is_not_asked() -> None:
    async with (
        scripted(counts("slave")) as redis,
        scripted(saying(names(1, redis.port))) as sentinel,
        by_sentinels(sentinel) as quota,
    ):
        assert await quota.ask(app="a") == UNAVAILABLE
        assert b"EVALSHA" not in redis.names()
        redis.script = counts()
        await asyncio.wait_for(quota.handler.links.ready.wait(), 20)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)


async def test_another_master_is_asked_from_the_moment_it_is_named() -> None:
    async with (
        scripted(counts(amount=1)) as one,
        scripted(counts(amount=2)) as two,
        scripted(saying(names(1, one.port))) as sentinel,
        by_sentinels(sentinel) as quota,
    ):
        assert await quota.ask(2, app="a") == QuotaResult(1, 1.0)
        sentinel.script = saying(names(2, two.port))
        async with asyncio.timeout(20):
            while await quota.ask(2, app="a") != QuotaResult(2, 1.0):
                await asyncio.sleep(0.02)
        assert quota.background.counted("dropped") == {}, "the first one still answered: nobody noticed"


async def test_a_master_that_says_it_may_not_write_is_asked_for_anew() -> None:
    read_only = b"-READONLY You can't write against a read only replica.\r\n"
    of_old = b"-ERR Error running script (call to f_1): @user_script:28: -READONLY You can't write\r\n"
    for reply in (read_only, of_old):
        async with scripted(counts()) as one, scripted(counts(amount=2)) as two:
            one.script = lambda command, said=reply: packed(["master"]) if command[0] == b"ROLE" else said  # type: ignore[misc]
            async with scripted(saying(names(1, one.port))) as sentinel, by_sentinels(sentinel) as quota:
                await quota.handler.links.ready.wait()
                sentinel.script = saying(names(2, two.port))
                assert await quota.ask(2, app="a") == UNAVAILABLE
                assert await quota.ask(2, app="a") == QuotaResult(2, 1.0)


async def test_a_redis_that_loads_its_data_is_away_until_it_has_them() -> None:
    async with scripted(saying(b"-LOADING Redis is loading the dataset in memory\r\n")) as redis:
        params = {"timeout": "2s", "connectTimeout": "1s", "connectionPoolSize": "1"}
        async with placed(FIXED, redisServerUrl=redis.address, **params) as quota:
            assert await quota.ask(app="a") == UNAVAILABLE
            redis.script = counts()
            assert await quota.ask(app="a") == QuotaResult(1, 1.0)
            assert redis.connections == 2


# replicas


@pytest.mark.parametrize(
    ("reply", "have", "result"),
    [
        (granted(1), packed(2), QuotaResult(1, 1.0)),
        (granted(1), packed(3), QuotaResult(1, 1.0)),
        (granted(1), packed(1), UNAVAILABLE),
        (granted(1), b"-ERR WAIT cannot be used with replica instances.\r\n", UNAVAILABLE),
        (granted(0, 0), packed(0), EXHAUSTED),
        (granted(-1, 0), packed(0), UNAVAILABLE),
    ],
)
async def test_what_too_few_replicas_have_is_not_told(reply: bytes, have: bytes, result: QuotaResult) -> None:
    async with scripted(lambda command: have if command[0] == b"WAIT" else reply) as redis:
        params = {"timeout": "2s", "waitForReplicas": "2", "connectionPoolSize": "1"}
        async with placed(FIXED, redisServerUrl=redis.address, **params) as quota:
            assert await quota.ask(app="a") == result
            assert redis.heard[1] == [b"WAIT", b"2", b"1000"]
            assert quota.background.counted("dropped") == ({"replicas": 1} if result == UNAVAILABLE else {})


# topology

ASKED = ("10.0.0.1", 7000)


def test_spans_and_owners() -> None:
    reply = [
        [0, 2, [b"10.0.0.2", 7001, b"id", []], [b"10.0.0.9", 7009, b"id", []]],
        [3, 3, [None, 7002, b"id"]],
        [16383, 16383, [b"redis.shop.svc", 7003]],
        [4, 4, [b"", 7004]],
    ]
    assert owners(spans_of(reply, ASKED)) == {
        **dict.fromkeys(range(3), ("10.0.0.2", 7001)),
        3: ("10.0.0.1", 7002),
        4: ("10.0.0.1", 7004),
        16383: ("redis.shop.svc", 7003),
    }
    assert [endpoint(name, ASKED) for name in (b"a", "a", "?", None, b"")] == ["a", "a", *["10.0.0.1"] * 3]


@pytest.mark.parametrize(
    "reply",
    [b"OK", 3, [[0]], [[0, 1]], [[0, 1, []]], [[0, 1, [b"a", b"x"]]], [[5, 4, [b"a", 1]]], [[0, 16384, [b"a", 1]]],
     [[-1, 0, [b"a", 1]]], [[0, 1, [b"a", 0]]], [[0, 1, [b"\xff", 1]]], [None]],
)  # fmt: skip
def test_what_is_no_topology(reply: Any) -> None:
    with pytest.raises(RedisError):
        spans_of(reply, ASKED)


@given(st.text(st.sampled_from("ab{};=é "), max_size=30))
def test_slots_are_those_of_the_keys(app: str) -> None:
    found = Limits(json_format.ParseDict(FIXED, Params.Quota()), SPEC, "a{b}c").find((app,))
    plain = Limits(json_format.ParseDict(FIXED, Params.Quota()), SPEC, "flotilla").find((app,))
    assert plain.slot == key_slot(plain.counter) == key_slot(plain.counter + b":identifier")
    assert found.slot == key_slot(found.counter), "whatever the prefix is"


# clusters


class Nodes:
    """Scripted nodes; `calls` says what a node answers to a call, by its number."""

    def __init__(self, servers: Sequence[ScriptedRedis]) -> None:
        self.servers = servers
        self.state = "ok"
        self.calls: Callable[[int, Command], bytes] = lambda number, command: granted(1)
        self.owner = 0
        for number, server in enumerate(servers):
            server.script = lambda command, number=number: self._says(number, command)  # type: ignore[misc]

    def _says(self, number: int, command: Command) -> bytes:
        if command[0] == b"CLUSTER":
            if command[1] == b"INFO":
                return packed(f"cluster_state:{self.state}\r\ncluster_known_nodes:2\r\n")
            return packed([[0, SLOTS - 1, ["127.0.0.1", self.servers[self.owner].port, "id"]]])
        return b"+OK\r\n" if command[0] == b"ASKING" else self.calls(number, command)

    def asked(self, number: int) -> list[bytes]:
        return [name for name in self.servers[number].names() if name != b"CLUSTER"]

    def to(self, number: int) -> bytes:
        return f"1 127.0.0.1:{self.servers[number].port}\r\n".encode()


@asynccontextmanager
async def nodes(**params: Any) -> AsyncIterator[tuple[Nodes, AskedQuota]]:
    async with scripted(saying(None)) as one, scripted(saying(None)) as two:
        made = Nodes([one, two])
        given = {"cluster": {"addresses": [one.address]}, "timeout": "2s", "connectTimeout": "1s", **params}
        async with placed(FIXED, **{"connectionPoolSize": "1", **given}) as quota:
            yield made, quota


async def test_moved_is_followed_and_remembered() -> None:
    async with nodes() as (made, quota):
        made.calls = lambda number, _: granted(1) if number else b"-MOVED " + made.to(1)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        made.owner = 1
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert made.asked(0) == [b"EVALSHA"]
        assert made.asked(1) == [b"EVALSHA"] * 2


async def test_a_node_that_does_not_know_its_own_name_is_where_it_was_asked() -> None:
    async with nodes() as (made, quota):
        made.calls = lambda number, _: granted(1) if number else f"-MOVED 1 :{made.servers[1].port}\r\n".encode()
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)


async def test_ask_is_followed_once_and_not_remembered() -> None:
    async with nodes() as (made, quota):
        made.calls = lambda number, _: granted(1) if number else b"-ASK " + made.to(1)
        for _ in range(2):
            assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert made.asked(0) == [b"EVALSHA"] * 2
        assert made.asked(1) == [b"ASKING", b"EVALSHA"] * 2


async def test_a_node_that_asks_may_lack_the_script() -> None:
    async with nodes() as (made, quota):
        lacks = [b"-NOSCRIPT No matching script.\r\n"]
        made.calls = lambda number, _: (lacks.pop() if lacks else granted(1)) if number else b"-ASK " + made.to(1)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert made.asked(1) == [b"ASKING", b"EVALSHA"] * 2


async def test_two_keys_on_two_sides_become_one() -> None:
    def says(number: int, command: Command) -> bytes:
        if not number:
            return b"-ASK " + made.to(1)
        return granted(1) if command[2] == b"1" else b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"

    async with nodes() as (made, quota):
        made.calls = says
        assert await quota.ask(1, "identifier", app="a") == QuotaResult(1, 1.0)
        assert made.asked(1) == [b"ASKING", b"EVALSHA"] * 2
        assert [command[2] for command in made.servers[1].heard if command[0] == b"EVALSHA"] == [b"2", b"1"]


async def test_nodes_that_send_a_call_to_one_another_end_it() -> None:
    async with nodes() as (made, quota):
        made.calls = lambda number, _: b"-MOVED " + made.to(1 - number)
        assert await quota.ask(app="a") == UNAVAILABLE
        assert quota.background.counted("dropped") == {"unreachable": 1}
        assert len(made.asked(0)) + len(made.asked(1)) < 12


async def test_a_node_that_moved_says_is_not_there_is_away() -> None:
    async with nodes() as (made, quota):
        gone = free_port()
        made.calls = lambda *_: f"-MOVED 1 127.0.0.1:{gone}\r\n".encode()
        assert await quota.ask(app="a") == UNAVAILABLE


async def test_a_cluster_that_is_down_is_answered_for_at_once_and_its_connections_are_kept() -> None:
    async with nodes() as (made, quota):
        down = b"-CLUSTERDOWN The cluster is down\r\n"
        made.calls = lambda *_: down
        found = await asyncio.gather(*(quota.call(app="a") for _ in range(3)))
        assert found == [UNAVAILABLE] * 3
        assert quota.background.counted("dropped") == {"refused": 3}
        made.calls = lambda *_: granted(1)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert len(made.asked(0)) == 4


async def test_a_node_outside_of_the_majority_is_believed_only_while_nothing_is_known() -> None:
    async with nodes() as (made, quota):
        made.state = "fail"
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        made.owner = 1
        quota.handler.links._stale.set()  # as a node that was lost does
        looked = len(made.servers[0].heard)
        async with asyncio.timeout(20):
            while len(made.servers[0].heard) < looked + 2:
                await asyncio.sleep(0.01)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert made.asked(1) == []


async def test_a_cluster_without_slots_counts_nothing() -> None:
    async with (
        scripted(lambda command: packed("cluster_state:ok") if command[1] == b"INFO" else packed([])) as empty,
        placed(FIXED, cluster={"addresses": [empty.address]}, timeout="2s") as quota,
    ):
        assert await quota.ask(app="a") == UNAVAILABLE


@pytest.mark.parametrize("reply", [b"-ERR This instance has cluster support disabled\r\n", packed([3]), None])
async def test_what_is_no_cluster_is_told(reply: bytes | None, capfd: pytest.CaptureFixture[str]) -> None:
    async with scripted(saying(reply)) as server:
        params = {"cluster": {"addresses": [server.address]}, "timeout": "2s", "connectTimeout": "0.3s"}
        async with placed(FIXED, **params) as quota:
            assert await quota.ask(app="a") == UNAVAILABLE
            assert quota.call(app="a").result() == UNAVAILABLE, "at once, from now on"
    assert "no node says where the slots of redis are" in "".join(capfd.readouterr())


async def test_who_waits_when_the_handler_is_closed_gets_an_answer() -> None:
    async with nodes(timeout="5s") as (made, quota):
        made.servers[0].script = saying(None)
        waiting = [quota.call(app="a") for _ in range(3)]
    assert [call.result() for call in waiting] == [UNAVAILABLE] * 3
    assert quota.call(app="a").result() == UNAVAILABLE, "a call that comes later"


async def test_a_node_without_slots_is_left() -> None:
    async with nodes() as (made, quota):
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        made.owner = 1
        quota.handler.links._stale.set()  # as MOVED does
        async with asyncio.timeout(20):
            while list(quota.handler.links.nodes) != [("127.0.0.1", made.servers[1].port)]:
                await asyncio.sleep(0.01)
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert made.asked(1) == [b"EVALSHA"]
