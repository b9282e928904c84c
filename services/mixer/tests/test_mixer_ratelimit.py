"""Envoy's rate limit service: descriptors become quota calls, and what was granted becomes an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import grpc
import pytest
import yaml
from envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.memquota.window import RollingWindow
from flotilla_mixer.attributes.ratelimit import descriptor_of
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.kit.adapter import QuotaCall
from flotilla_mixer.kit.results import QuotaResult, Room
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.bounds import MOST_DESCRIPTORS
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.ratelimit import METHOD, RateLimits
from flotilla_mixer.servers.ratelimit_answers import LARGEST, OVER_LIMIT, WITHIN, Asked, is_over, response_of
from flotilla_mixer.shedding.throttle import ShedSettings, Throttle
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured
from flotilla_mixer.testing.quotas import AskedQuota, on_its_own_clock
from flotilla_mixer.testing.redis_server import RedisServer
from flotilla_mixer.testing.running import Running
from flotilla_shared.model.static_attributes import REPORTER_HEADER, STATIC_HEADER
from flotilla_shared.runtime.batches import CallFailed
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer
from flotilla_shared.testing.ports import free_port

MOST_BYTES = 4 * 1024 * 1024
RATINGS = Peer("127.0.0.1:1", identity="spiffe://cluster.local/ns/default/sa/ratings")
BODY = b"RESOURCE_EXHAUSTED:Quota is exhausted for: calls"


def limit(
    adapter: str = "memquota",
    dimensions: Mapping[str, str] | None = None,
    match: str = "",
    handler: str = "limits",
    quota: Mapping[str, Any] | None = None,
    **params: Any,
) -> str:
    """A quota of five in a minute, unless it is said otherwise."""
    full = {"name": "calls.instance.default", "maxAmount": 5, "validDuration": "60s", **(quota or {})}
    objects: list[tuple[str, str, dict[str, Any]]] = [
        ("handler", handler, {"compiledAdapter": adapter, "params": {"quotas": [full], **params}}),
        ("instance", "calls", {"compiledTemplate": "quota", "params": {"dimensions": dict(dimensions or {})}}),
        ("rule", handler, {"match": match, "actions": [{"handler": handler, "instances": ["calls"]}]}),
    ]
    made = [
        {"apiVersion": "config.istio.io/v1alpha2", "kind": kind, "metadata": {"name": of}, "spec": spec}
        for kind, of, spec in objects
    ]
    return yaml.safe_dump_all(made)


BY_USER = {"user": 'ratelimit.descriptor["user"] | ""'}


def request(*descriptors: Mapping[str, str], domain: str = "calls", hits: int = 0) -> RateLimitRequest:
    entries = [{"entries": [{"key": key, "value": value} for key, value in each.items()]} for each in descriptors]
    return json_format.ParseDict({"domain": domain, "descriptors": entries, "hits_addend": hits}, RateLimitRequest())


class Limited:
    """The service with these objects, without a server around."""

    def __init__(self, *objects: str) -> None:
        self.metrics = MixerMetrics(ServiceMetrics("mixer"))
        self.swap = Swap("istio-system")
        self.table = self.swap.put(configured(*objects))
        gate = Gate(Throttle(ShedSettings(mode="disabled"), self.metrics), 1_000_000)
        dispatcher = QuotaDispatcher(Failures(self.metrics))
        self.served = RateLimits(lambda: self.table, dispatcher, self.metrics, gate)

    async def send(self, message: bytes, peer: Peer = RATINGS, metadata: Any = ()) -> RateLimitResponse:
        """Raises CallFailed."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.served.should_rate_limit([Call(METHOD, message, metadata, peer, None, answer)])
        found = RateLimitResponse.FromString(await asyncio.wait_for(answer, 10))
        assert self.table.open_calls == 0
        return found

    async def ask(self, asked: RateLimitRequest, **more: Any) -> RateLimitResponse:
        return await self.send(asked.SerializeToString(), **more)

    async def codes(self, asked: RateLimitRequest, times: int = 1) -> str:
        """`+` for each call that is within its limit, `-` for one that is over."""
        found = [(await self.ask(asked)).overall_code for _ in range(times)]
        return "".join("-" if code == OVER_LIMIT else "+" for code in found)

    def counted(self) -> dict[str, int]:
        (family,) = self.metrics.rate_limits.collect()
        return {each.labels["code"]: int(each.value) for each in family.samples if each.name.endswith("_total")}


@asynccontextmanager
async def closing(*objects: str) -> AsyncIterator[Limited]:
    """One whose handlers have tasks."""
    limited = Limited(*objects)
    try:
        yield limited
    finally:
        await limited.swap.stop()


# what is limited


async def test_a_domain_is_a_quota_and_each_set_of_dimensions_counts_by_itself() -> None:
    limited = Limited(limit(dimensions=BY_USER))
    assert await limited.codes(request({"user": "jason"}), 7) == "+++++--"
    assert await limited.codes(request({"user": "mary"}), 2) == "++"
    assert await limited.codes(request({"user": "jason"}, domain="Calls")) == "-", "names of quotas have no case"
    assert limited.counted() == {"OK": 7, "OVER_LIMIT": 3}


async def test_the_answer_says_what_is_left_and_when_there_is_more() -> None:
    limited = Limited(limit(dimensions=BY_USER))
    first = await limited.ask(request({"user": "jason"}))
    assert (first.overall_code, first.raw_body, list(first.response_headers_to_add)) == (WITHIN, b"", [])
    (status,) = first.statuses
    assert (status.code, status.limit_remaining) == (WITHIN, 4)
    assert (status.current_limit.name, status.current_limit.requests_per_unit) == ("calls", 5)
    assert status.current_limit.unit == RateLimitResponse.RateLimit.MINUTE
    assert 59 <= status.duration_until_reset.ToSeconds() <= 61
    await limited.codes(request({"user": "jason"}), 4)
    last = await limited.ask(request({"user": "jason"}))
    assert (last.overall_code, last.raw_body, last.statuses[0].limit_remaining) == (OVER_LIMIT, BODY, 0)
    headers = {each.key: each.value for each in last.response_headers_to_add}
    assert headers["content-type"] == "text/plain"
    assert 1 <= int(headers["retry-after"]) <= 61


async def test_one_descriptor_that_is_over_is_enough() -> None:
    limited = Limited(limit(dimensions=BY_USER))
    await limited.codes(request({"user": "jason"}), 5)
    found = await limited.ask(request({"user": "mary"}, {"user": "jason"}, {"user": "eve"}))
    assert found.overall_code == OVER_LIMIT
    assert [each.code for each in found.statuses] == [WITHIN, OVER_LIMIT, WITHIN]
    assert [each.limit_remaining for each in found.statuses] == [4, 0, 4]


async def test_rules_choose_descriptors_and_overrides_values() -> None:
    slow = limit(match='(ratelimit.descriptor["generic_key"] | "") == "slow"')
    overridden = {"overrides": [{"dimensions": {"user": "jason"}, "maxAmount": 1, "validDuration": "60s"}]}
    limited = Limited(slow)
    assert await limited.codes(request({"generic_key": "slow"}), 6) == "+++++-"
    assert await limited.codes(request({"generic_key": "fast"}), 6) == "++++++", "no rule, no limit"
    limited = Limited(limit(dimensions=BY_USER, quota=overridden))
    assert await limited.codes(request({"user": "jason"}), 2) == "+-"
    assert await limited.codes(request({"user": "mary"}), 2) == "++"


async def test_a_domain_that_nobody_limits_is_without_limits() -> None:
    found = await Limited(limit()).ask(request({"a": "b"}, domain="other"))
    assert (found.overall_code, len(found.statuses)) == (WITHIN, 1)
    assert not found.statuses[0].HasField("current_limit")
    assert not found.statuses[0].HasField("duration_until_reset")


@pytest.mark.parametrize(
    ("said", "own", "expected"),
    [(0, None, "+++++-"), (2, None, "++-"), (5, None, "+-"), (6, None, "-"), (2, 3, "+-"), (9, 1, "+++++-")],
)
async def test_hits(said: int, own: int | None, expected: str) -> None:
    """Those of a descriptor come before those of the call."""
    asked = request({"a": "b"}, hits=said)
    if own is not None:
        asked.descriptors[0].hits_addend.value = own
    assert await Limited(limit()).codes(asked, len(expected)) == expected


async def test_hits_that_are_over_use_up_what_is_left_and_none_only_look() -> None:
    """As bytes of an answer, which are counted when it has gone: the next request hears of it."""
    limited, looks, adds = Limited(limit()), request({"a": "b"}), request({"a": "b"}, hits=4)
    looks.descriptors[0].hits_addend.value = 0
    assert await limited.codes(looks, 3) == "+++"
    assert await limited.codes(adds, 2) == "+-"
    assert await limited.codes(looks) == "-"
    assert (await limited.ask(looks)).statuses[0].limit_remaining == 0


async def test_the_strictest_of_several_handlers_is_heard() -> None:
    wide, narrow = limit(quota={"maxAmount": 100}), limit(handler="narrow", quota={"maxAmount": 2})
    limited = Limited(wide, narrow)
    assert await limited.codes(request({"a": "b"}), 3) == "++-"


async def test_rules_know_the_workload_that_asks() -> None:
    own = limit(dimensions={"who": 'destination.workload.name | source.workload.name | ""'})
    limited = Limited(own)
    assert await limited.codes(request({"a": "b"}), 6) == "+++++-"
    match = 'context.reporter.kind == "outbound" && source.labels["app"] == "ratings"'
    match += ' && destination.service.name == "reviews"'
    limited = Limited(limit(match=match))
    static = '{"destination.service.name":"reviews","destination.service.namespace":"default"}'
    said = [(REPORTER_HEADER, "outbound"), (STATIC_HEADER, static)]
    found = [(await limited.ask(request({"a": "b"}), metadata=said)).overall_code for _ in range(6)]
    assert found == [WITHIN] * 5 + [OVER_LIMIT]
    assert await limited.codes(request({"a": "b"})) == "+"


# who may ask, and what cannot be answered


@pytest.mark.parametrize(
    "peer",
    [
        Peer("127.0.0.1:1"),
        Peer("127.0.0.1:1", identity="spiffe://cluster.local/ns/default/sa/reviews"),
        Peer("10.9.9.9:1", identity="spiffe://cluster.local/ns/default/sa/ratings"),
        Peer("unix:", identity="spiffe://cluster.local/ns/default/sa/ratings"),
    ],
)
async def test_who_is_no_workload_is_refused(peer: Peer) -> None:
    with pytest.raises(CallFailed) as failed:
        await Limited(limit()).ask(request({"a": "b"}), peer=peer)
    assert failed.value.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\xff\xff", "this is no RateLimitRequest"),
        (b"", "needs a domain"),
        (request({"a": "b"}, domain="").SerializeToString(), "needs a domain"),
        (request(*[{}] * (MOST_DESCRIPTORS + 1)).SerializeToString(), f"at most {MOST_DESCRIPTORS} descriptors"),
    ],
)
async def test_what_is_no_request_is_told(message: bytes, text: str) -> None:
    with pytest.raises(CallFailed) as failed:
        await Limited(limit()).send(message)
    assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert text in failed.value.text


async def test_without_configuration_nobody_is_answered() -> None:
    limited = Limited(limit())
    limited.served._table = lambda: None  # as before the first configuration
    with pytest.raises(CallFailed) as failed:
        await limited.ask(request({"a": "b"}))
    assert failed.value.code is grpc.StatusCode.UNAVAILABLE


async def refused(limited: Limited, message: bytes, **more: Any) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        await limited.send(message, **more)
    return failed.value


@pytest.mark.parametrize(("choice", "code"), [("GRANT", WITHIN), ("REFUSE", OVER_LIMIT)])
async def test_without_redis_the_handler_chooses(choice: str, code: Any) -> None:
    async with closing(limit("redisquota", redisServerUrl=f"127.0.0.1:{free_port()}", whenAway=choice)) as limited:
        assert (await limited.ask(request({"a": "b"}))).overall_code == code


async def test_or_leaves_it_to_the_proxy() -> None:
    async with closing(limit("redisquota", redisServerUrl=f"127.0.0.1:{free_port()}")) as limited:
        failed = await refused(limited, request({"a": "b"}).SerializeToString())
        assert failed.code is grpc.StatusCode.UNAVAILABLE
        said = "limits.default:redisquota: Service Unavailable"
        assert failed.text == f"the quota calls cannot be counted: {said}"
        assert limited.counted() == {"UNAVAILABLE": 1}


async def test_what_is_over_is_over_though_something_else_could_not_be_counted() -> None:
    mine = '(ratelimit.descriptor["in"] | "") == "memory"'
    its = '(ratelimit.descriptor["in"] | "") == "redis"'
    away = limit("redisquota", redisServerUrl=f"127.0.0.1:{free_port()}", match=its, handler="away")
    async with closing(limit(match=mine, quota={"maxAmount": 1}), away) as limited:
        assert await limited.codes(request({"in": "memory"})) == "+"
        found = await limited.ask(request({"in": "redis"}, {"in": "memory"}))
        assert [each.code for each in found.statuses] == [WITHIN, OVER_LIMIT]


async def test_an_instance_that_cannot_be_made_is_an_error_of_mixers() -> None:
    with pytest.raises(CallFailed) as failed:
        await Limited(limit(dimensions={"path": "request.path"})).ask(request({"a": "b"}))
    assert failed.value.code is grpc.StatusCode.INTERNAL


# parts

TEXTS = st.text(max_size=5)
DESCRIPTORS = st.lists(st.lists(st.tuples(TEXTS, TEXTS), max_size=4), max_size=5)


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_or_refused(message: bytes) -> None:
    _played(message)


@given(TEXTS, DESCRIPTORS, st.integers(0, 2**32 - 1), st.lists(st.none() | st.integers(0, 2**64 - 1), max_size=5))
def test_any_request_is_answered_with_a_status_for_each_descriptor(
    domain: str, descriptors: list[list[tuple[str, str]]], hits: int, own: list[int | None]
) -> None:
    asked = RateLimitRequest(domain=domain or "calls", hits_addend=hits)
    for number, entries in enumerate(descriptors):
        made = asked.descriptors.add()
        for key, value in entries:
            made.entries.add(key=key, value=value)
        said = own[number] if number < len(own) else None
        if said is not None:
            made.hits_addend.value = said
    found = _played(asked.SerializeToString())
    assert found is not None
    assert len(found.statuses) == len(descriptors)
    assert (found.overall_code == OVER_LIMIT) is any(each.code == OVER_LIMIT for each in found.statuses)


@cache
def _one() -> Limited:
    """For all examples: what it counts does not matter."""
    return Limited(limit(dimensions=BY_USER))


def _played(message: bytes) -> RateLimitResponse | None:
    async def play() -> RateLimitResponse | None:
        try:
            return await _one().send(message)
        except CallFailed as failed:
            if failed.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return None

    return asyncio.run(play())


async def test_the_longest_messages_are_answered() -> None:
    limited = Limited(limit(dimensions=BY_USER))
    many = request(*({"user": str(number)} for number in range(MOST_DESCRIPTORS)))
    assert len((await limited.ask(many)).statuses) == MOST_DESCRIPTORS
    large = request({f"{number}": "" for number in range(300_000)})
    assert len(large.SerializeToString()) <= MOST_BYTES
    assert (await limited.ask(large)).overall_code == WITHIN
    long = request({"user": "x" * (MOST_BYTES - 100)})
    assert await limited.codes(long, 6) == "+++++-"


def test_entries_of_one_key_stay_in_order() -> None:
    entries = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "")]
    made = RateLimitDescriptor(entries=[{"key": key, "value": value} for key, value in entries])
    assert descriptor_of(made.entries) == {"a": "1,3,", "b": "2"}


ROOM = Room(5, 2, 60.0, 3.25)


@pytest.mark.parametrize(
    ("hits", "result", "over"),
    [
        (1, QuotaResult(1, 1.0), False),
        (2, QuotaResult(1, 1.0), True),
        (1, QuotaResult(0), True),
        (1, QuotaResult(0, 0.0, 8, "exhausted"), True),
        (1, QuotaResult(0, 0.0, 14, "away"), False),
        (1, QuotaResult(0, 0.0, 13, "failed"), False),
        (0, QuotaResult(0), False),
        (0, QuotaResult(0, room=ROOM), False),
        (0, QuotaResult(0, room=Room(5, 0, 60.0, 3.0)), True),
    ],
)
def test_over_or_not(hits: int, result: QuotaResult, over: bool) -> None:
    assert is_over(Asked(hits, result)) is over


@pytest.mark.parametrize(
    ("window", "unit"), [(1, "SECOND"), (60, "MINUTE"), (3600, "HOUR"), (86400, "DAY"), (10, "UNKNOWN"), (0, "UNKNOWN")]
)
def test_windows_that_have_a_name(window: float, unit: str) -> None:  # fmt: skip
    room = Room(2**60, 2**60, window, 3.25)
    (status,) = response_of("calls", [Asked(1, QuotaResult(1, room=room))]).statuses
    assert RateLimitResponse.RateLimit.Unit.Name(status.current_limit.unit) == unit
    assert (status.limit_remaining, status.current_limit.requests_per_unit) == (LARGEST, LARGEST)
    assert status.duration_until_reset.ToMilliseconds() == 3250


def test_the_latest_reset_of_what_is_over_is_when_to_try_again() -> None:
    asked = [Asked(1, QuotaResult(0, room=Room(5, 0, 60, resets))) for resets in (3.25, 12.5, 0.5)]
    asked.append(Asked(1, QuotaResult(1, room=Room(5, 1, 60, 50.0))))
    headers = {each.key: each.value for each in response_of("calls", asked).response_headers_to_add}
    assert headers["retry-after"] == "13"


# what handlers say is left

STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(-3, 6)), max_size=40)


@given(STEPS)
def test_a_window_in_memory_knows_when_more_is_there(steps: Sequence[tuple[int, int]]) -> None:
    """At that tick something is there that was not, and not a tick earlier."""
    window, tick = RollingWindow(6, 20), 0
    for passed, amount in steps:
        tick += passed
        if amount < 0:
            window.release(-amount, tick)
        else:
            window.allocate(amount, tick, later=bool(amount % 2))
        left, resets = window.available, window.resets_in()
        assert (resets == 0) is (left == 6)
        if resets:
            assert 0 < resets <= 21
            copied = _copy(window)
            copied.advance(tick + resets - 1)
            assert copied.available == left
            copied.advance(tick + resets)
            assert copied.available > left


def _copy(window: RollingWindow) -> RollingWindow:
    made = RollingWindow(window.limit, 20)
    made.__dict__.update(window.__dict__, _slots=list(window._slots))  # a copy is all of it
    return made


@pytest.mark.real
@pytest.mark.parametrize("algorithm", ["FIXED_WINDOW", "ROLLING_WINDOW"])
async def test_redis_says_what_is_left_and_when_there_is_more(redis: RedisServer, algorithm: str) -> None:
    quota = {"name": "calls.instance.default", "maxAmount": "5", "validDuration": "100s", "bucketDuration": "1s"}
    async with on_its_own_clock(redis, {**quota, "rateLimitAlgorithm": algorithm}, timeout="10s") as asked:
        for amount, left in ((0, 5), (3, 2), (0, 2), (3, 0), (1, 0), (0, 0)):
            found = await _told(asked, amount)
            assert (found.room.limit, found.room.left, found.room.window) == (5, left, 100.0)
            assert (found.room.resets == 0) is (left == 5)
            assert found.room.resets <= 100.0
        assert found.room.resets > 90
        await asked.ask(-5, app="a")
        assert (await _told(asked, 0)).room.left == 5


async def _told(asked: AskedQuota, amount: int) -> Any:
    """A call that wants to hear what is left, and takes what there is."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    asked.handler.quota([QuotaCall(asked.spec, (("a",),), answer.set_result, amount, True, "", True)])
    return await asyncio.wait_for(answer, 10)


# over the wire


async def test_a_proxy_asks_over_its_mutual_tls(running: Running) -> None:
    await running.put(limit(dimensions=BY_USER))
    async with running.channel("ratings") as channel:
        call = channel.unary_unary(
            METHOD,
            request_serializer=RateLimitRequest.SerializeToString,
            response_deserializer=RateLimitResponse.FromString,
        )
        found = [await call(request({"user": "jason"}), timeout=10) for _ in range(6)]
        assert [each.overall_code for each in found] == [WITHIN] * 5 + [OVER_LIMIT]
    async with running.channel("reviews") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(METHOD)(request({"user": "jason"}).SerializeToString(), timeout=10)
        assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert running.dropped("reporter") == 1
