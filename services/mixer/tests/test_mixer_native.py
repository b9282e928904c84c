"""The native API over the wire, as mixc and 1.4's proxies speak it: in plaintext as given, over mTLS as believed."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest

from flotilla_mixer.app import Mixer
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.testing.meshes import deny
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import ID, Running, running_mixer
from flotilla_shared.model.static_attributes import service_attributes
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

MIXC, PROXY = NativeClient(0), NativeClient(222)
RATINGS = service_attributes("ratings.default.svc.cluster.local", "default")
NAMESPACE = {("context.reporter.kind", "", "EXACT"), ("destination.namespace", "", "EXACT")}
DENIES_V2 = deny('(source.labels["version"] | "") == "v2" && request.method == "GET"')
HERE = {"context.reporter.kind": "inbound", "destination.namespace": "default"}
COUNTING = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: prom, namespace: default}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {name: calls_total, instanceName: calls.instance.default, kind: COUNTER, labelNames: [source, service, code]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec:
  compiledTemplate: metric
  params:
    value: '1'
    dimensions:
      source: source.workload.name | "unknown"
      service: destination.service.name | "unknown"
      code: response.code | 0
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: count, namespace: default}
spec: {actions: [{handler: prom, instances: [calls]}]}
"""
LIMIT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec:
  compiledAdapter: memquota
  params: {quotas: [{name: calls.instance.default, maxAmount: 5, validDuration: 60s}]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec: {compiledTemplate: quota, params: {dimensions: {who: 'source.labels["app"] | "nobody"'}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec: {match: request.method == "GET", actions: [{handler: limits, instances: [calls]}]}
"""
HEADERS = """\
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: headers, namespace: default}
spec:
  match: request.path == "/headers"
  requestHeaderOperations:
  - {name: x-method, values: [request.method, '"too"'], operation: APPEND}
  - {name: x-gone, operation: REMOVE}
  - {name: x-missing, values: [request.reason]}
  responseHeaderOperations:
  - {name: x-by, values: ['source.labels["app"] | "unknown"']}
"""


@pytest.fixture
async def plain(running: Running) -> AsyncIterator[grpc.aio.Channel]:
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        yield channel


def from_version(version: str) -> dict[str, object]:
    return {**HERE, "source.labels": {"app": "reviews", "version": version}, "request.method": "GET"}


@pytest.mark.parametrize("client", [MIXC, PROXY, NativeClient(20)], ids=["mixc", "proxy", "old"])
async def test_a_check_says_what_it_rests_on(running: Running, plain: grpc.aio.Channel, client: NativeClient) -> None:
    await running.put(DENIES_V2)
    denied = (await client.check(plain, client.check_request(from_version("v2")))).precondition
    assert (denied.status.code, denied.status.message) == (7, "closed.default:closed today")
    assert (denied.valid_duration.seconds, denied.valid_use_count) == (5, 1000)
    assert client.matches(denied.referenced_attributes) == NAMESPACE | {
        ("source.labels", "version", "EXACT"),
        ("request.method", "", "EXACT"),
    }
    allowed = (await client.check(plain, client.check_request(from_version("v3")))).precondition
    assert (allowed.status.code, allowed.valid_duration.seconds, allowed.valid_use_count) == (0, 60, 10_000)
    assert client.matches(allowed.referenced_attributes) == NAMESPACE | {("source.labels", "version", "EXACT")}
    if client is MIXC:
        assert all(each.name < 0 for each in denied.referenced_attributes.attribute_matches)


async def test_an_answer_always_has_referenced_attributes(running: Running, plain: grpc.aio.Channel) -> None:
    """mixc reads them unasked."""
    await running.put()
    answer = await MIXC.check(plain, MIXC.check_request({}))
    assert answer.precondition.HasField("referenced_attributes")
    assert MIXC.matches(answer.precondition.referenced_attributes) == {
        ("context.reporter.kind", "", "ABSENCE"),
        ("destination.namespace", "", "ABSENCE"),
    }


async def test_a_caller_with_more_words_than_there_are_is_refused(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put()
    request = PROXY.check_request({})
    request.global_word_count = 223
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await PROXY.check(plain, request)
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    assert refused.value.details() == (
        "inconsistent global dictionary versions used: mixer knows 222 words, caller knows 223"
    )


async def test_a_value_of_another_type_fails_the_check(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(
        DENIES_V2.replace("checknothing", "listentry}").replace(
            "listentry}}", "listentry, params: {value: request.size | 0}}"
        )
    )
    bag = from_version("v2") | {"request.size": "many"}
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await MIXC.check(plain, MIXC.check_request(bag))
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert "error converting value to integer or duration: 'many'" in str(failed.value.details())


# quotas


async def granted(
    plain: grpc.aio.Channel, amount: int, identifier: str, *, best: bool = False, method: str = "GET"
) -> int:
    bag = {**from_version("v3"), "request.method": method}
    answer = await MIXC.check(plain, MIXC.check_request(bag, {"CALLS": (amount, best)}, identifier))
    assert answer.precondition.status.code == 0
    return int(answer.quotas["CALLS"].granted_amount)


async def test_a_quota_is_granted_while_there_is_some(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(LIMIT)
    assert await granted(plain, 3, "a") == 3
    assert await granted(plain, 3, "a") == 3, "the same call again"
    assert await granted(plain, 3, "b") == 0, "all or nothing"
    assert await granted(plain, 3, "c", best=True) == 2
    assert await granted(plain, 3, "d", best=True) == 0
    assert await granted(plain, 9, "e", method="PUT") == 9, "no rule limits it"


async def test_calls_without_an_identifier_are_calls_of_their_own(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(LIMIT)
    assert [await granted(plain, 2, "") for _ in range(3)] == [2, 2, 0]


async def test_a_mixer_that_is_told_so_takes_them_for_one_another(authority: CertificateAuthorityForTests) -> None:
    async with running_mixer(authority, separate_quota_calls=False) as running:
        await running.put(LIMIT)
        assert running.mixer.plaintext is not None
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as plain:
            assert [await granted(plain, 2, "") for _ in range(3)] == [2, 2, 2]
            assert await granted(plain, 2, "a") == 2


async def test_a_quota_says_what_it_rests_on_by_itself(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(LIMIT, DENIES_V2.replace("name: ask", "name: other").replace("[ask]", "[other]"))
    answer = await PROXY.check(plain, PROXY.check_request(from_version("v3"), {"calls": (1, False), "x": (4, True)}))
    assert PROXY.matches(answer.quotas["calls"].referenced_attributes) == NAMESPACE | {
        ("request.method", "", "EXACT"),
        ("source.labels", "app", "EXACT"),
    }
    assert answer.quotas["calls"].valid_duration.seconds == 60
    assert (answer.quotas["x"].granted_amount, answer.quotas["x"].valid_duration.seconds) == (4, 60)
    assert PROXY.matches(answer.quotas["x"].referenced_attributes) == NAMESPACE
    assert ("source.labels", "version", "EXACT") in PROXY.matches(answer.precondition.referenced_attributes)


async def test_who_is_denied_uses_no_quota(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(LIMIT, DENIES_V2.replace("name: ask", "name: other").replace("[ask]", "[other]"))
    denied = await MIXC.check(plain, MIXC.check_request(from_version("v2"), {"calls": (5, False)}, "a"))
    assert denied.precondition.status.code == 7
    assert not denied.quotas
    assert await granted(plain, 5, "b") == 5


async def test_headers_are_directed(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(HEADERS)
    bag = {**from_version("v3"), "request.path": "/headers"}
    directive = (await PROXY.check(plain, PROXY.check_request(bag))).precondition.route_directive
    assert [(each.name, each.value, each.operation) for each in directive.request_header_operations] == [
        ("x-method", "GET", 2),
        ("x-method", "too", 2),
        ("x-gone", "", 1),
    ]
    assert [(each.name, each.value, each.operation) for each in directive.response_header_operations] == [
        ("x-by", "reviews", 0)
    ]
    other = (await PROXY.check(plain, PROXY.check_request(from_version("v3")))).precondition
    assert not other.HasField("route_directive")


# reports

BAGS = [
    {**HERE, "source.workload.name": "a", "destination.service.name": "s", "response.code": 200},
    {**HERE, "source.workload.name": "a", "destination.service.name": "s", "response.code": 503},
    {**HERE, "source.workload.name": "b", "destination.service.name": "s", "response.code": 503},
]
COUNTED = {("a", "s", "200"): 1, ("a", "s", "503"): 1, ("b", "s", "503"): 1}


@pytest.mark.parametrize("delta", [False, True], ids=["independent", "delta"])
@pytest.mark.parametrize("client", [MIXC, PROXY], ids=["mixc", "proxy"])
async def test_both_encodings_are_read(
    running: Running, plain: grpc.aio.Channel, client: NativeClient, delta: bool
) -> None:
    await running.put(COUNTING)
    await client.report(plain, client.report_request(BAGS, delta=delta))
    assert running.counted() == COUNTED


async def test_bags_without_words_share_those_of_the_message(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(COUNTING)
    request = PROXY.report_request(BAGS[:1])
    request.default_words.extend(request.attributes[0].words)
    del request.attributes[0].words[:]
    request.attributes.append(request.attributes[0])
    await PROXY.report(plain, request)
    assert running.counted() == {("a", "s", "200"): 2}


async def test_what_is_wrong_is_the_calls_error_and_the_rest_is_counted(
    running: Running, plain: grpc.aio.Channel
) -> None:
    await running.put(COUNTING)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await MIXC.report(plain, MIXC.report_request([BAGS[0], BAGS[1] | {"response.code": "x"}, BAGS[2]]))
    assert failed.value.code() is grpc.StatusCode.UNKNOWN
    assert "1 error occurred:\n\t* evaluation failed at [calls.instance.default]" in str(failed.value.details())
    assert running.counted() == {("a", "s", "200"): 1, ("b", "s", "503"): 1}


async def test_a_bag_that_cannot_be_read_is_left_out(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(COUNTING)
    request = MIXC.report_request(BAGS, delta=True)
    request.attributes[1].int64s[77] = 1
    request.attributes[1].strings[-400] = 3
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await MIXC.report(plain, request)
    assert "invalid attributes" in str(failed.value.details())
    assert sum(running.counted().values()) == 2


async def test_nothing_to_report_is_fine(running: Running, plain: grpc.aio.Channel) -> None:
    await running.put(COUNTING)
    await MIXC.report(plain, MIXC.report_request([]))
    assert running.counted() == {}


RUBBISH = ["/istio.mixer.v1.Mixer/Check", "/istio.mixer.v1.Mixer/Report"]


@pytest.mark.parametrize("method", RUBBISH)
async def test_rubbish_is_an_invalid_argument(running: Running, plain: grpc.aio.Channel, method: str) -> None:
    await running.put()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await plain.unary_unary(method)(b"\xff\xff", timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", RUBBISH)
async def test_before_its_configuration_it_is_unavailable(
    running: Running, plain: grpc.aio.Channel, method: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await plain.unary_unary(method)(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


# over mTLS: all clients here come from 127.0.0.1, which is ratings-v1

PEER = {"source.ip": ipaddress.ip_address("127.0.2.4").packed, "source.principal": f"{ID}reviews"[len("spiffe://") :]}
TOLD = {"context.reporter.kind": "inbound", "request.method": "GET", **RATINGS}
BELIEVED = [
    # what a client adds to TOLD, whom rules see as source, what is dropped
    ({**PEER, "source.uid": "kubernetes://reviews-v2.default"}, "reviews-v2", {}),
    (PEER, "reviews-v2", {}),
    ({**PEER, "source.uid": "kubernetes://reviews-v3.default"}, "reviews-v2", {"attributes": 1}),
    (
        {"source.workload.name": "reviews-v3", "source.uid": "kubernetes://reviews-v3.default"},
        "unknown",
        {"attributes": 1},
    ),
    ({**PEER, "source.principal": "cluster.local/ns/default/sa/other"}, "unknown", {"peer": 1}),
    ({**PEER, "destination.uid": "kubernetes://reviews-v3.default"}, "reviews-v2", {"attributes": 1}),
]


@pytest.mark.parametrize(("added", "source", "dropped"), BELIEVED)
async def test_of_the_two_ends_only_what_a_workload_can_know_is_believed(
    running: Running, added: dict[str, object], source: str, dropped: dict[str, int]
) -> None:
    await running.put(COUNTING)
    async with running.channel("ratings") as channel:
        await PROXY.report(channel, PROXY.report_request([{**TOLD, **added, "response.code": 200}]))
    assert running.counted() == {(source, "ratings", "200"): 1}
    assert {
        claim: running.dropped(claim) for claim in ("attributes", "peer", "service") if running.dropped(claim)
    } == dropped


async def test_a_service_that_does_not_select_the_caller_is_dropped(running: Running) -> None:
    await running.put(COUNTING)
    reviews = service_attributes("reviews.default.svc.cluster.local", "default")
    async with running.channel("ratings") as channel:
        await PROXY.report(channel, PROXY.report_request([{**TOLD, **PEER, **reviews, "response.code": 200}]))
    assert running.counted() == {("reviews-v2", "unknown", "200"): 1}
    assert running.dropped("service") == 1


async def test_a_check_is_decided_by_what_is_believed(running: Running) -> None:
    await running.put(DENIES_V2)
    lie = {**TOLD, **PEER, "source.labels": {"version": "v3"}}
    async with running.channel("ratings") as channel:
        answer = await PROXY.check(channel, PROXY.check_request(lie))
    assert answer.precondition.status.code == 7, "the index says v2"


async def test_a_caller_with_anothers_certificate_is_refused(running: Running) -> None:
    await running.put()
    async with running.channel("reviews") as channel:
        for asked in (
            PROXY.check(channel, PROXY.check_request(TOLD)),
            PROXY.report(channel, PROXY.report_request([TOLD])),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asked
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert running.dropped("reporter") == 2


# the twin without TLS


async def test_readyz_says_that_attributes_are_taken_as_given(running: Running) -> None:
    await running.put()
    await running.mixer.readiness.wait()
    assert "plaintext on 127.0.0.1:0, attributes taken as given" in running.mixer.readiness.conditions
    async with httpx.AsyncClient(transport=httpx.ASGITransport(running.monitoring()), base_url="http://m") as client:
        assert "attributes taken as given" in (await client.get("/readyz")).text


def test_without_being_switched_on_there_is_none() -> None:
    assert MixerSettings().plaintext is False
    assert MixerSettings().loopback_address.startswith("127.")


async def test_the_application_has_no_plaintext_port_by_default() -> None:
    mixer = Mixer(MixerSettings())
    assert mixer.plaintext is None
    assert not any("plaintext" in name for name in mixer.readiness.conditions)
