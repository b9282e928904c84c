"""redisquota without a Redis: parameters, keys, and what it answers while Redis is away, silent or talks nonsense."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.connection import door_to_redis
from flotilla_mixer.adapters.redisquota.handler import EXHAUSTED, MALFORMED, REFUSED, UNAVAILABLE
from flotilla_mixer.adapters.redisquota.limits import KEY_LENGTH, REMEMBERED, Limits, key_of, limit_of
from flotilla_mixer.adapters.redisquota.settings import AddressError, SharedRedis, address_of
from flotilla_mixer.kit.results import NO_OPINION, QuotaResult
from flotilla_mixer.kit.secrets import SecretError, SecretFile, SecretFolders
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.quotas import CALLS, AskedQuota
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params
from flotilla_shared.testing.ports import free_port

ONE: dict[str, Any] = {"name": CALLS, "maxAmount": "5", "validDuration": "10s"}
ROLLING = {**ONE, "rateLimitAlgorithm": "ROLLING_WINDOW", "bucketDuration": "1s"}


def limited(port: int, **params: Any) -> AskedQuota:
    given = {"quotas": [ONE], "redisServerUrl": f"127.0.0.1:{port}", "connectTimeout": "0.2s", "timeout": "0.2s"}
    return AskedQuota(Redisquota(), {**given, **params}, ("app",))


# parameters

WRONG = [
    ({"quotas": []}, "quotas"),
    ({"quotas": [{**ONE, "name": "other.instance.default"}]}, "quotas"),
    ({"quotas": [{**ONE, "name": ""}]}, "quotas[0].name"),
    ({"quotas": [{**ONE, "maxAmount": "0"}]}, "quotas[0].maxAmount"),
    ({"quotas": [{**ONE, "maxAmount": str(2**53)}]}, "quotas[0].maxAmount"),
    ({"quotas": [{**ONE, "validDuration": "0s"}]}, "quotas[0].validDuration"),
    ({"quotas": [{**ROLLING, "bucketDuration": "0s"}]}, "quotas[0].bucketDuration"),
    ({"quotas": [{**ROLLING, "bucketDuration": "10s"}]}, "quotas[0].bucketDuration"),
    ({"quotas": [{**ONE, "overrides": [{"maxAmount": "1"}]}]}, "quotas[0].overrides[0].dimensions"),
    ({"quotas": [{**ONE, "overrides": [{"dimensions": {"app": "a"}}]}]}, "quotas[0].overrides[0].maxAmount"),
    ({"redisServerUrl": ""}, "redisServerUrl"),
    ({"redisServerUrl": "redis://:secret@host"}, "redisServerUrl"),
    ({"database": "-1"}, "database"),
    ({"username": "mixer"}, "passwordFile"),
    ({"tls": {"certificateFile": "/a"}}, "tls.keyFile"),
    ({"tls": {"keyFile": "/a"}}, "tls.keyFile"),
    ({"connectionPoolSize": "-1"}, "connectionPoolSize"),
    ({"connectionPoolSize": "101"}, "connectionPoolSize"),
    ({"timeout": "0s"}, "timeout"),
    ({"timeout": "11s"}, "timeout"),
    ({"connectTimeout": "0s"}, "connectTimeout"),
    ({"maxWaiting": "0"}, "maxWaiting"),
    ({"maxDeduplicationDuration": "-1s"}, "maxDeduplicationDuration"),
    ({"waitForReplicas": "-1"}, "waitForReplicas"),
    ({"waitForReplicas": "11"}, "waitForReplicas"),
]


@pytest.mark.parametrize(("params", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_parameters_that_make_no_sense(params: dict[str, Any], field: str) -> None:
    faults = limited(1, **params).faults
    assert f"spec.params.{field}" in faults
    assert all(text.endswith(".") and "secret" not in text for text in faults.values())


def test_parameters_that_make_sense() -> None:
    assert limited(1).faults == limited(1, quotas=[ROLLING], connectionPoolSize="0", database="15").faults == {}
    assert limited(1, username="mixer", passwordFile="/a", tls={}).faults == {}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis", ("redis", 6379)),
        ("redis.default.svc:7000", ("redis.default.svc", 7000)),
        ("[::1]:7000", ("::1", 7000)),
        ("[::1]", ("::1", 6379)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a:0", "a:65536", "a:x", "::1:7000", "redis://a", "a:\u0661", "u:p@a:1"]
)
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(AddressError):
        address_of(text)


def test_a_connection_is_as_the_parameters_say(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    tls = {"caFile": "ca.pem", "serverName": "redis.example", "certificateFile": "c.pem", "keyFile": "k.pem"}
    params = json_format.ParseDict({"redisServerUrl": "a:1", "database": "3", "username": "u", "tls": tls}, Params())
    made: Any = door_to_redis(params, SecretFile(secret)).connection(address_of(params.redis_server_url))
    assert (made.host, made.port, made.db, made.username, made.password) == ("a", 1, 3, "u", "open sesame")
    assert (made.ca_certs, made.certfile, made.keyfile, made.check_hostname) == ("ca.pem", "c.pem", "k.pem", True)
    assert made.server_name == "redis.example"
    assert "sesame" not in repr(made)


def test_a_mixer_without_such_a_handler_has_no_client_of_redis() -> None:
    """It takes memory and time. In a process of its own, for others here have it."""
    code = "import sys, flotilla_mixer.app; from flotilla_mixer.kit.catalogue import load_adapters; load_adapters(); "
    code += "sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


SHARED = SharedRedis("redis.shop:6379", "mixer", "/password", True, "/ca.crt")


def with_login(**params: Any) -> Any:
    """What a handler is built with where Mixer's settings name a Redis."""
    adapter = Redisquota()
    adapter.shared = SHARED
    given: Any = adapter.defaults()
    return SHARED.login(json_format.ParseDict(params, given))


def test_a_handler_that_names_no_redis_has_mixers() -> None:
    found = with_login()
    assert (found.redis_server_url, found.username, found.password_file) == ("redis.shop:6379", "mixer", "/password")
    assert found.tls.ca_file == "/ca.crt"
    assert with_login(redisServerUrl="redis.shop:6379") == found


def test_mixers_password_goes_to_mixers_redis_alone() -> None:
    elsewhere = with_login(redisServerUrl="other:6379")
    assert (elsewhere.username, elsewhere.password_file, elsewhere.HasField("tls")) == ("", "", False)
    own = with_login(passwordFile="/own")
    assert (own.username, own.password_file) == ("", "/own")
    assert SharedRedis().login(elsewhere) is elsewhere
    for place in ({"sentinel": {"addresses": ["a:1"]}}, {"cluster": {"addresses": ["a:1"]}}):
        found = with_login(**place)
        assert (found.username, found.password_file, found.HasField("tls")) == ("", "", False)


async def test_the_file_of_mixers_password_is_no_handlers_to_name(tmp_path: Path) -> None:
    """Or its author could have the password sent to a Redis of theirs."""
    kept, mixers = tmp_path / "adapters", tmp_path / "mixers"
    mixers.write_text("sesame")
    adapter, background = Redisquota(), Background(secrets=SecretFolders((str(kept),)))
    adapter.shared = SharedRedis(f"127.0.0.1:{free_port()}", "mixer", str(mixers))
    usual: Any = adapter.defaults()
    adapter.build(usual, (), background)  # with Mixer's Redis, and its password
    usual.redis_server_url, usual.password_file = f"127.0.0.1:{free_port()}", str(mixers)
    with pytest.raises(SecretError, match="must be below a folder"):
        adapter.build(usual, (), background)
    await background.stop()


# what counts where

SPEC = InstanceSpec(CALLS, QUOTA, {}, {"dimensions": ("app", "user")})


def limits(**quota: Any) -> Limits:
    return Limits(json_format.ParseDict({**ONE, **quota}, Params.Quota()), SPEC, "flotilla")


def test_a_key_names_what_it_counts() -> None:
    found = limits().find(("reviews", "jason"))
    assert found.counter == b"flotilla:quota:{calls.instance.default;app=reviews;user=jason}:fixed"
    assert found.arguments == (b"fixed", b"5", b"10000000", b"0")
    rolling = limits(rateLimitAlgorithm="ROLLING_WINDOW", bucketDuration="0.5s").find(("a", {"not": "hashable"}))
    assert rolling.counter.endswith(b";user=not%3Dhashable}:rolling")
    assert rolling.arguments == (b"rolling", b"5", b"10000000", b"500000")


def test_the_first_override_that_fits_counts_and_a_missing_dimension_fits_none() -> None:
    overrides = [
        {"dimensions": {"app": "reviews", "user": "jason"}, "maxAmount": "1"},
        {"dimensions": {"app": "reviews"}, "maxAmount": "2"},
        {"dimensions": {"absent": ""}, "maxAmount": "3"},
    ]
    quota = json_format.ParseDict({**ONE, "overrides": overrides}, Params.Quota())
    assert limit_of(quota, {"app": "reviews", "user": "jason"}) == 1
    assert limit_of(quota, {"app": "reviews", "user": "mary"}) == 2
    assert limit_of(quota, {"app": "ratings", "user": ""}) == 5


def test_keys_that_were_made_are_remembered_but_not_without_end() -> None:
    found = limits()
    first = found.find(("0", ""))
    assert found.find(("0", "")) is first
    for number in range(REMEMBERED):
        found.find((str(number + 1), ""))
    assert found.find(("0", "")) is not first
    assert found.find(("0", "")) == first


TEXTS = st.text(st.sampled_from("ab;=%{}:é \ud800"), max_size=8)
NAMED = st.dictionaries(TEXTS, TEXTS, max_size=3)


@given(NAMED, NAMED)
def test_no_two_sets_of_dimensions_share_a_key(one: dict[str, str], other: dict[str, str]) -> None:
    assert (key_of(one) == key_of(other)) is (
        {name.encode(errors="replace"): value.encode(errors="replace") for name, value in one.items()}
        == {name.encode(errors="replace"): value.encode(errors="replace") for name, value in other.items()}
    )
    assert not set(key_of(one)) & set("{}"), "braces choose the slot of a cluster"


def test_long_dimensions_make_short_keys() -> None:
    keys = {key_of({"path": letter * length}) for letter in "ab" for length in (KEY_LENGTH, 100_000)}
    assert len(keys) == 4
    assert max(map(len, keys)) <= KEY_LENGTH


# without a Redis

ANSWERS = {"UNAVAILABLE": UNAVAILABLE, "GRANT": QuotaResult(3, 1.0), "REFUSE": REFUSED}


@pytest.mark.parametrize("choice", ANSWERS)
async def test_a_redis_that_is_away_is_answered_for_and_the_handler_lives(choice: str) -> None:
    async with limited(free_port(), whenAway=choice) as quota:
        assert await quota.ask(3, app="a") == ANSWERS[choice]
        assert quota.handler.links.away
        assert quota.call(3, app="a").result() == ANSWERS[choice], "at once, from now on"
        assert await quota.ask(-1, app="a") in (UNAVAILABLE, REFUSED), "nothing is given back to nobody"
        assert await quota.ask(0, app="a") == NO_OPINION
        assert quota.background.counted("dropped") == {"unreachable": 3}
        assert quota.background.counted("backend_errors")["unreachable"] >= 1


@asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[int]:
    """A server that answers whatever it reads with this."""
    serving: set[Any] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        while await reader.read(65536):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*serving)
    server.close()
    await server.wait_closed()


async def test_a_redis_that_is_silent_is_away() -> None:
    async with listening(b"") as port, limited(port) as quota:
        assert await quota.ask(app="a") == UNAVAILABLE
        assert set(quota.background.counted("dropped")) <= {"timeout", "unreachable"}


async def test_a_redis_that_refuses_the_script_is_away(capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(b"-NOPERM this user has no permissions\r\n") as port, limited(port) as quota:
        assert await quota.ask(app="a") == UNAVAILABLE
        assert quota.background.counted("backend_errors")["refused"] >= 1


async def test_a_password_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    async with limited(free_port(), passwordFile=str(tmp_path / "none")) as quota:
        assert await quota.ask(app="a") == UNAVAILABLE
        assert quota.background.counted("backend_errors") == {"settings": pytest.approx(1, abs=10)}


class Sham:
    """A Redis that takes the script and answers calls as a test says, while it does not hold them."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.connections = 0
        self.hold = asyncio.Event()
        self.serving: set[Any] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.add(asyncio.current_task())
        buffer = b""
        while data := await reader.read(65536):
            buffer += data
            while (command := buffer.find(b"*")) >= 0 and (end := self._end(buffer[command:])):
                this, buffer = buffer[command : command + end], buffer[command + end :]
                if b"EVALSHA" in this:
                    await self.hold.wait()
                    writer.write(self.replies.pop(0) if self.replies else b"*2\r\n:1\r\n:1000000\r\n")
                else:
                    writer.write(b"+OK\r\n")
        writer.close()

    @staticmethod
    def _end(buffer: bytes) -> int:
        """How long the first command is; 0 while it has not come whole."""
        lines = buffer.split(b"\r\n", 1)
        if len(lines) < 2:
            return 0
        place = len(lines[0]) + 2
        for _ in range(int(lines[0][1:])):
            head = buffer[place:].split(b"\r\n", 1)
            if len(head) < 2:
                return 0
            place += len(head[0]) + 2 + int(head[0][1:]) + 2
        return place if len(buffer) >= place else 0


@asynccontextmanager
async def sham(*replies: bytes, **params: Any) -> AsyncIterator[tuple[Sham, AskedQuota]]:
    played = Sham(*replies)
    played.hold.set()
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with limited(port, connectionPoolSize="1", **params) as quota:
        yield played, quota
    played.hold.set()
    await asyncio.gather(*played.serving)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (b"*2\r\n:3\r\n:1500000\r\n", QuotaResult(3, 1.5)),
        (b"*2\r\n:0\r\n:0\r\n", EXHAUSTED),
        (b"*1\r\n:3\r\n", MALFORMED),
        (b"*2\r\n$1\r\n3\r\n:0\r\n", MALFORMED),
        (b"$-1\r\n", MALFORMED),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", UNAVAILABLE),
        (b"-READONLY You can't write against a read only replica.\r\n", UNAVAILABLE),
        (b"-BUSY Redis is busy running a script.\r\n", UNAVAILABLE),
    ],
)
async def test_replies(reply: bytes, result: QuotaResult) -> None:
    async with sham(reply) as (_, quota):
        assert await quota.ask(3, app="a") == result
        assert await quota.ask(1, app="a") == QuotaResult(1, 1.0), "the next one is another matter"


async def test_a_replica_that_may_not_write_is_left_for_another_connection() -> None:
    async with sham(b"-READONLY You can't write against a read only replica.\r\n") as (redis, quota):
        await quota.ask(app="a")
        await quota.ask(app="a")
        assert redis.connections == 2


async def test_bytes_that_are_no_protocol_end_the_connection() -> None:
    async with sham(b"HTTP/1.1 400 Bad Request\r\n") as (redis, quota):
        assert await quota.ask(app="a") == UNAVAILABLE
        assert quota.background.counted("dropped") == {"unreachable": 1}, "at once, and not by the timeout"
        assert await quota.ask(app="a") == QuotaResult(1, 1.0)
        assert redis.connections == 2


async def test_a_late_answer_is_not_taken_for_that_of_another_call() -> None:
    late = b"*2\r\n:5\r\n:1000000\r\n"
    async with sham(late, timeout="0.1s") as (redis, quota):
        redis.hold.clear()
        assert await quota.ask(5, app="a") == UNAVAILABLE
        assert quota.handler.links.away, "no other call waits as long"
        redis.hold.set()
        await asyncio.wait_for(quota.handler.links.ready.wait(), 10)
        assert await quota.ask(1, app="a") == QuotaResult(1, 1.0)
        assert quota.background.counted("dropped") == {"timeout": 1}


async def test_more_calls_than_may_wait_are_answered_at_once() -> None:
    async with sham(maxWaiting="3", timeout="5s") as (redis, quota):
        redis.hold.clear()
        calls = [quota.call(app="a") for _ in range(5)]
        assert [call.result() for call in calls[3:]] == [UNAVAILABLE, UNAVAILABLE]
        assert quota.background.counted("dropped") == {"full": 2}
        redis.hold.set()
        assert [await call for call in calls[:3]] == [QuotaResult(1, 1.0)] * 3
        assert await quota.ask(app="a") == QuotaResult(1, 1.0), "there is room again"


async def test_who_waits_when_the_handler_is_closed_gets_an_answer() -> None:
    async with sham(timeout="5s") as (redis, quota):
        await quota.handler.links.ready.wait()
        redis.hold.clear()
        waiting = [quota.call(app="a") for _ in range(3)]
    assert [call.result() for call in waiting] == [UNAVAILABLE] * 3
    assert quota.call(app="a").result() == UNAVAILABLE, "a call that comes later"
