"""Mixer over the wire: its whole application on free ports, mTLS, Envoy's messages; Galley's part is played in-process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.protobuf import json_format

from flotilla_mixer.app import Mixer, serve
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.testing.meshes import deny
from flotilla_mixer.testing.running import CHECK, ID, LOGS, NAME, Galley, Running
from flotilla_shared.model.static_attributes import service_attributes
from flotilla_shared.runtime.kube.resources import PODS, SERVICES
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.testing.apiserver import Fault
from flotilla_shared.testing.apiserver import running as api_server
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

RATINGS = service_attributes("ratings.default.svc.cluster.local", "default")
REVIEWS = service_attributes("reviews.default.svc.cluster.local", "default")
KUBECONFIG = """\
current-context: test
contexts: [{{name: test, context: {{cluster: test}}}}]
clusters: [{{name: test, cluster: {{server: "{server}"}}}}]
"""
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


def ends(source: str = "127.0.2.4", account: str = "reviews", port: int = 46354) -> dict[str, Any]:
    return {
        "source": {
            "address": {"socket_address": {"address": source, "port_value": port}},
            "principal": f"{ID}{account}",
        },
        "destination": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 9080}},
            "principal": f"{ID}ratings",
        },
    }


def request(static: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    return {
        "request": {"http": {"method": "GET", "path": "/ratings/0", "headers": headers}},
        "route_metadata_context": {"filter_metadata": {"flotilla": RATINGS if static is None else static}},
    }


DENIES_V2 = deny('destination.service.name == "ratings" && (source.labels["version"] | "") == "v2"')


async def test_before_its_configuration_it_answers_unavailable(running: Running) -> None:
    async with running.channel("ratings") as channel:
        # Nothing is written on the stream: a write that comes after its end is INTERNAL, by grpcio's own word.
        for asked in (running.check(**ends(), **request()), channel.stream_unary(LOGS)()):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asked
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not running.mixer.readiness.ready
    await running.put()
    assert (await running.check(**ends(), **request())).status.code == 0
    await running.mixer.readiness.wait()


async def test_a_check_is_decided_by_who_calls(running: Running) -> None:
    await running.put(DENIES_V2)
    denied = await running.check(**ends(), **request())
    assert denied.status.code == 7
    assert denied.denied_response.status.code == 403
    assert denied.denied_response.body == "PERMISSION_DENIED:closed.default:closed today"
    assert denied.dynamic_metadata["grpc_status"] == "7"
    allowed = await running.check(**ends("127.0.2.5"), **request())
    assert allowed.status.code == 0, "reviews-v3 has the same service account"


async def test_a_connection_is_decided_by_the_calls_metadata(running: Running) -> None:
    await running.put(deny('context.protocol == "tcp" && destination.service.name == "ratings"'))
    static = orjson.dumps(RATINGS).decode()
    metadata = (("x-flotilla-static", static), ("x-flotilla-reporter", "inbound"))
    assert (await running.check(metadata=metadata, **ends())).status.code == 7
    assert (await running.check(**ends())).status.code == 0


async def test_many_checks_at_once(running: Running) -> None:
    await running.put(DENIES_V2)
    async with running.channel("ratings") as channel:
        call = channel.unary_unary(CHECK, response_deserializer=CheckResponse.FromString)
        messages = [
            json_format.ParseDict({"attributes": {**ends(f"127.0.2.{4 + n % 2}"), **request()}}, CheckRequest())
            for n in range(50)
        ]
        answers = await asyncio.gather(*(call(each.SerializeToString(), timeout=10) for each in messages))
    assert [answer.status.code for answer in answers] == [7, 0] * 25


STRANGERS = ["reviews", "nobody"]


@pytest.mark.parametrize("account", STRANGERS)
async def test_a_check_with_anothers_certificate_is_refused(running: Running, account: str) -> None:
    await running.put()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.check(account, **ends(), **request())
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert f"no workload at 127.0.0.1 has the identity {ID}{account}" in str(refused.value.details())
    assert running.dropped("reporter") == 1


async def test_rubbish_is_an_invalid_argument(running: Running) -> None:
    await running.put()
    async with running.channel("ratings") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(CHECK)(b"\xff\xff", timeout=10)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        call = channel.stream_unary(LOGS)()
        await call.write(b"\xff\xff")
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call
        assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def entry(source: str = "127.0.2.4", account: str = "reviews", code: int = 200, static: Any = None) -> dict[str, Any]:
    return {
        "common_properties": {
            "downstream_direct_remote_address": {"socket_address": {"address": source, "port_value": 1}},
            "tls_properties": {
                "peer_certificate_properties": {"subject_alt_name": [{"uri": f"{ID}{account}"}]},
                "local_certificate_properties": {"subject_alt_name": [{"uri": f"{ID}ratings"}]},
            },
            "custom_tags": {"route": orjson.dumps(static or RATINGS).decode(), "flags": "-"},
        },
        "response": {"response_code": code},
    }


async def test_a_message_is_counted_entry_by_entry(running: Running) -> None:
    await running.put(COUNTING)
    await running.report(entry(), entry(), entry("127.0.2.5", code=503))
    assert running.counted() == {("reviews-v2", "ratings", "200"): 2, ("reviews-v3", "ratings", "503"): 1}


LIES = [
    # what is sent, by which account, what is counted of it, what is dropped
    (entry("127.0.2.4", "ratings"), "ratings", {("unknown", "ratings", "200"): 1}, "peer"),
    (entry(static=REVIEWS), "ratings", {("reviews-v2", "unknown", "200"): 1}, "service"),
    (entry(static={"source.uid": "kubernetes://x.y"}), "ratings", {("reviews-v2", "unknown", "200"): 1}, "static"),
    (entry(), "reviews", {}, "reporter"),
]


@pytest.mark.parametrize(("sent", "account", "counted", "dropped"), LIES)
async def test_what_is_not_believed_is_dropped_and_counted(
    running: Running, sent: Any, account: str, counted: Any, dropped: str
) -> None:
    await running.put(COUNTING)
    await running.report(sent, account=account)
    assert running.counted() == counted
    assert running.dropped(dropped) == 1


QUOTA = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec:
  compiledAdapter: memquota
  params: {quotas: [{name: calls.instance.default, maxAmount: 3, validDuration: 60s}]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec: {compiledTemplate: quota, params: {dimensions: {service: destination.service.name | "unknown"}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec: {actions: [{handler: limits, instances: [calls]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpec
metadata: {name: calls, namespace: default}
spec:
  rules:
  - quotas: [{quota: calls, charge: 1}]
    match: [{clause: {request.path: {prefix: /ratings}, request.method: {regex: "G.T"}}}]
---
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpecBinding
metadata: {name: calls, namespace: default}
spec:
  services: [{name: ratings}]
  quotaSpecs: [{name: calls}]
"""


async def limited(running: Running, number: int, **changes: Any) -> list[tuple[int, str]]:
    """HTTP status (0: passed) and body of so many calls, all at once."""
    sent = request()
    sent["request"]["http"].update(changes)
    answers = await asyncio.gather(*(running.check(**ends(), **sent) for _ in range(number)))
    return sorted((each.denied_response.status.code, each.denied_response.body) for each in answers)


EXHAUSTED = (429, "RESOURCE_EXHAUSTED:Quota is exhausted for: calls")


async def test_a_service_is_limited_across_its_callers(running: Running) -> None:
    await running.put(QUOTA)
    assert await limited(running, 20) == [(0, "")] * 3 + [EXHAUSTED] * 17


async def test_what_envoy_asks_once_more_about_is_used_once(running: Running) -> None:
    await running.put(QUOTA)
    assert await limited(running, 5, id="7") == [(0, "")] * 5
    assert await limited(running, 5, id="") == [(0, "")] * 2 + [EXHAUSTED] * 3


UNLIMITED = [
    ("services: [{name: ratings}]", "services: [{name: reviews}]"),
    ("services: [{name: ratings}]", "services: [{name: ratings, namespace: other}]"),
    ("prefix: /ratings", "exact: /rating"),
    ('"G.T"', '"G"'),
    ("request.method:", "request.referer:"),
    ("quotaSpecs: [{name: calls}]", "quotaSpecs: [{name: other}]"),
]


@pytest.mark.parametrize(("old", "new"), UNLIMITED)
async def test_what_no_binding_and_no_match_concerns_is_not_limited(running: Running, old: str, new: str) -> None:
    assert old in QUOTA
    await running.put(QUOTA.replace(old, new))
    assert await limited(running, 5) == [(0, "")] * 5


LIMITED = [
    ("services: [{name: ratings}]", "services: [{service: '*'}]"),
    ("services: [{name: ratings}]", "services: [{service: ratings.default.svc.cluster.local}]"),
    ("quotaSpecs: [{name: calls}]", "quotaSpecs: [{name: calls, namespace: default}]"),
    ('    match: [{clause: {request.path: {prefix: /ratings}, request.method: {regex: "G.T"}}}]\n', ""),
]


@pytest.mark.parametrize(("old", "new"), LIMITED)
async def test_ways_to_say_whom_a_limit_concerns(running: Running, old: str, new: str) -> None:
    assert old in QUOTA
    await running.put(QUOTA.replace(old, new))
    assert await limited(running, 5) == [(0, "")] * 3 + [EXHAUSTED] * 2


async def test_a_binding_without_its_spec_and_a_pattern_that_is_none_are_told(running: Running) -> None:
    await running.put(
        QUOTA.replace('"G.T"', '"("').replace("quotaSpecs: [{name: calls}]", "quotaSpecs: [{name: calls}, {name: x}]")
    )
    found = {key.name: [each.field for each in problems] for key, problems in running.mixer.swap.problems.items()}
    assert sorted(found["calls"]) in (["spec.quotaSpecs[1]"], ["spec.rules[0].match"])
    assert len(running.mixer.swap.problems) == 2


def connection(source: str = "127.0.2.4", account: str = "reviews", static: Any = None) -> dict[str, Any]:
    """A TCP connection that has ended."""
    told = entry(source, account)["common_properties"]
    tags = {"listener": orjson.dumps(static or RATINGS).decode(), "flags": "-"}
    return {
        "common_properties": {**told, "custom_tags": tags, "stream_id": "1", "access_log_type": "TcpConnectionEnd"},
        "connection_properties": {"received_bytes": 3, "sent_bytes": 4},
    }


CLOSED = COUNTING.replace("spec: {actions:", "spec: {match: 'connection.event == \"close\"', actions:")
TCP_LIES = [
    (connection(), "ratings", {("reviews-v2", "ratings", "0"): 1}, ""),
    (connection(account="ratings"), "ratings", {("unknown", "ratings", "0"): 1}, "peer"),
    (connection(static=REVIEWS), "ratings", {("reviews-v2", "unknown", "0"): 1}, "service"),
    (connection(static={"source.uid": "kubernetes://x.y"}), "ratings", {("reviews-v2", "unknown", "0"): 1}, "static"),
    (connection(), "reviews", {}, "reporter"),
]


@pytest.mark.parametrize(("sent", "account", "counted", "dropped"), TCP_LIES)
async def test_of_a_connection_too_only_what_is_believed_is_counted(
    running: Running, sent: Any, account: str, counted: Any, dropped: str
) -> None:
    await running.put(CLOSED)
    await running.report(sent, account=account, kind="tcp")
    assert running.counted() == counted
    claims = ("peer", "service", "static", "reporter")
    assert {claim for claim in claims if running.dropped(claim)} == ({dropped} if dropped else set())


@pytest.mark.parametrize("log_name", ["", "sideways"])
async def test_a_log_that_does_not_say_its_side_is_refused(running: Running, log_name: str) -> None:
    await running.put()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await running.report(entry(), log_name=log_name)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_only_the_first_message_says_the_side(running: Running) -> None:
    await running.put(COUNTING)
    message = json_format.ParseDict({"http_logs": {"log_entry": [entry()]}}, StreamAccessLogsMessage())
    async with running.channel("ratings") as channel:
        call = channel.stream_unary(LOGS)()
        first = StreamAccessLogsMessage.FromString(message.SerializeToString())
        first.identifier.log_name = "inbound"
        for each in (first, message, message):
            await call.write(each.SerializeToString())
        await call.done_writing()
        await call
    assert running.counted() == {("reviews-v2", "ratings", "200"): 3}


async def test_the_state_of_every_object_goes_back(running: Running) -> None:
    await running.put(DENIES_V2.replace("code: 7", "code: 77"))
    async with asyncio.timeout(10):
        await running.galley.reported.wait()
    report = running.galley.reports[0]
    assert report.reporter.startswith("mixer/")
    states = {status.name: (status.accepted, [each.field for each in status.problems]) for status in report.objects}
    assert states == {
        "closed": (False, ["spec.params.status.code"]),
        "ask": (True, []),
        "deny": (False, ["spec.actions"]),
    }


async def test_a_rule_comes_and_goes_while_checks_are_asked(running: Running) -> None:
    await running.put()
    assert (await running.check(**ends(), **request())).status.code == 0
    await running.put(DENIES_V2)
    assert (await running.check(**ends(), **request())).status.code == 7
    await running.put()
    assert (await running.check(**ends(), **request())).status.code == 0
    hops = [(hop["hop"], hop["name"], hop["detail"]) for hop in running.mixer.trace.hops()]
    assert ("mixer.applied", "deny", "") in hops
    assert ("mixer.applied", "deny", "removed") in hops


async def test_on_kubernetes_it_waits_for_pods_and_believes_them(
    authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    async with api_server(PODS, SERVICES) as server:
        server.fail(Fault("list", hang=True, plural="pods", code=503))
        labels = {"labels": {"app": "ratings"}}
        spec = {"serviceAccountName": "ratings", "containers": [{"name": "app", "ports": [{"containerPort": 9080}]}]}
        server.put(PODS, "ratings-1", "shop", metadata=labels, spec=spec, status={"podIP": "127.0.0.1"})
        server.put(SERVICES, "ratings", "shop", spec={"selector": {"app": "ratings"}})
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(server=server.url))
        ports = dict.fromkeys(("mixer_port", "prometheus_port", "monitoring_port", "introspection_port"), 0)
        settings = MixerSettings(
            platform="kubernetes", kubeconfig=kubeconfig, debounce_seconds=0, default_namespace="default", **ports
        )
        galley = Galley()
        mixer = Mixer(settings, signer=authority, source=galley, receiver=galley)
        galley.put(deny('destination.container.name == "app" && destination.service.namespace == "shop"'))
        await mixer.lifecycle.start()
        try:
            found = Running(mixer, galley, authority)
            await server.until(lambda: server.of("list", "pods") and not mixer.store.missing)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await found.check(**ends(), **request())
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert mixer.readiness.unmet_reasons().keys() == {"configuration", "pods"}
            server.release()
            await mixer.readiness.wait()
            static = service_attributes("ratings.shop.svc.cluster.local", "shop")
            with pytest.raises(grpc.aio.AioRpcError) as stranger:  # no Pod here has this account
                await found.check("reviews", **ends(), **request(static))
            assert stranger.value.code() is grpc.StatusCode.PERMISSION_DENIED
            shop = "spiffe://cluster.local/ns/shop/sa/ratings"
            async with open_channel(
                f"127.0.0.1:{mixer.server.bound_port}", NAME, authority.certificate(shop)
            ) as channel:
                ask = channel.unary_unary(CHECK, response_deserializer=CheckResponse.FromString)
                message = json_format.ParseDict({"attributes": ends() | request(static)}, CheckRequest())
                assert (await ask(message.SerializeToString(), timeout=10)).status.code == 7
        finally:
            await mixer.lifecycle.stop()


async def test_without_a_way_to_the_api_server_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert await serve(MixerSettings(platform="kubernetes")) == 1
