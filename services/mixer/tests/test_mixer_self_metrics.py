"""What Mixer counts of itself, under the names of Istio 1.4, as /metrics of its monitoring port shows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.empty_pb2 import Empty
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.kit.adapter import CheckCall, InstanceSpec
from flotilla_mixer.kit.dispatches import DispatchCounts
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.rpc_counts import BOUNDS
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import DENY, configured, deny
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running
from flotilla_shared.runtime.front import MethodTally
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.tallies import Distribution

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mixer-metrics.md"
CLIENT = NativeClient(222)
HERE: dict[str, object] = {"context.reporter.kind": "inbound", "destination.namespace": "default"}
COMPLETED = "grpc_io_server_completed_rpcs_total"  # the parser's name; the page has that of 1.4, without `_total`
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def shown(running: Running) -> Samples:
    transport = httpx.ASGITransport(app=running.monitoring())
    async with httpx.AsyncClient(transport=transport, base_url="http://mixer") as client:
        return samples((await client.get("/metrics")).text)


def key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


async def test_the_configuration_is_counted(running: Running) -> None:
    wrong = deny("request.paht == 1").replace("name: deny,", "name: other,")
    nobody = "---\napiVersion: config.istio.io/v1alpha2\nkind: rule\nmetadata: {name: nobody, namespace: default}\n"
    await running.put(deny("true"), wrong, nobody + "spec: {actions: [{handler: none, instances: [ask]}]}\n")
    found = await shown(running)
    config = {name.removeprefix("mixer_config_"): value for (name, _), value in found.items() if "_config_" in name}
    assert config.pop("attributes_total") >= 90
    assert {name: value for name, value in config.items() if value} == {
        "handler_configs_total": 1,
        "instance_configs_total": 1,
        "rule_configs_total": 3,
        "rule_config_errors_total": 2,
        "rule_config_match_error_total": 1,
        "unsatisfied_action_handler_total": 1,
        "rules": 1,
        "problems": 2,
    }
    assert {"handler_validation_error_total", "adapter_info_configs_total", "template_config_errors_total"} <= set(
        config
    )
    assert found[key("mixer_dispatcher_destinations_per_variety_total", variety="TEMPLATE_VARIETY_CHECK")] == 1
    assert found[key("istio_build", component="mixer", tag=version("flotilla-mesh-mixer"))] == 1


async def test_handlers_are_counted_as_configurations_change(running: Running) -> None:
    await running.put(deny("true"))
    await running.put(deny("request.method == 'G'"))  # the rule alone
    await running.put(deny("true").replace("closed today", "closed for good"))
    await running.put()
    found: dict[str, float] = {}
    async with asyncio.timeout(10):  # a handler is closed when nobody can call it any more
        while found.get("mixer_handler_closed_handlers_total") != 2:
            await asyncio.sleep(0)
            found = {name: value for (name, labels), value in (await shown(running)).items() if not labels}
    assert found["mixer_handler_new_handlers_total"] == 2
    assert found["mixer_handler_reused_handlers_total"] == 1
    assert found["mixer_handler_handler_build_failures_total"] == 0
    assert found["mixer_handler_handler_close_failures_total"] == 0


async def test_calls_of_handlers_and_of_clients_are_counted(running: Running) -> None:
    await running.put(deny("true"))
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        request = CLIENT.check_request(HERE)
        for _ in range(3):
            await CLIENT.check(channel, request)
        await CLIENT.report(channel, CLIENT.report_request([HERE]))
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/istio.mixer.v1.Mixer/Check")(b"\xff", timeout=10)
    method = {"grpc_server_method": "istio.mixer.v1.Mixer/Check"}
    refused = key(COMPLETED, **method, grpc_server_status="INVALID_ARGUMENT")
    async with asyncio.timeout(20):
        while refused not in (found := await shown(running)):  # the caller hears of the end first
            pass
    labels = {"meshFunction": "checknothing", "handler": "closed.default", "adapter": "denier", "error": "false"}
    assert found[key("mixer_runtime_dispatches_total", **labels)] == 3
    assert found[key("mixer_runtime_dispatch_duration_seconds_count", **labels)] == 3
    assert found[key("mixer_runtime_dispatch_duration_seconds_bucket", le="10.0", **labels)] == 3
    assert 0 < found[key("mixer_runtime_dispatch_duration_seconds_sum", **labels)] < 1

    def ended(method: str, status: str) -> float:
        return found[key(COMPLETED, grpc_server_method=method, grpc_server_status=status)]

    assert ended("istio.mixer.v1.Mixer/Check", "OK") == 3
    assert ended("istio.mixer.v1.Mixer/Check", "INVALID_ARGUMENT") == 1
    assert ended("istio.mixer.v1.Mixer/Report", "OK") == 1
    assert found[key("grpc_io_server_server_latency_count", **method)] == 4
    assert found[key("grpc_io_server_received_bytes_per_rpc_sum", **method)] == 3 * request.ByteSize() + 1
    assert found[key("grpc_io_server_sent_bytes_per_rpc_count", **method)] == 3


async def test_a_log_stream_is_a_call(running: Running) -> None:
    await running.put()
    await running.report({})
    with pytest.raises(grpc.aio.AioRpcError):
        await running.report({}, log_name="nonsense")
    method = "envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
    for status in ("OK", "INVALID_ARGUMENT"):
        ended = key(COMPLETED, grpc_server_method=method, grpc_server_status=status)
        async with asyncio.timeout(20):
            while ended not in (found := await shown(running)):  # the caller hears of the end first
                pass
        assert found[ended] == 1


class Playing:
    """An adapter whose handler keeps its calls, or raises."""

    name, folder, templates = "denier", Path(), frozenset(("checknothing",))

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises
        self.calls: list[CheckCall] = []

    def defaults(self) -> Any:
        return Empty()

    def validate(self, *_: Any) -> list[Any]:
        return []

    def build(self, _params: Any, _instances: Sequence[InstanceSpec], _environment: Any) -> Playing:
        return self

    def check(self, calls: Sequence[CheckCall]) -> None:
        self.calls += calls
        if self.raises:
            raise RuntimeError("as expected")

    def close(self) -> None:
        pass


def asked(adapter: Playing, number: int) -> tuple[MixerMetrics, list[Any]]:
    """Ask a handler of this adapter so often, at once."""
    metrics, answers = MixerMetrics(ServiceMetrics("mixer")), []  # type: ignore[var-annotated]
    swap = Swap("istio-system", metrics.handlers)
    text = DENY.replace("MATCH", "'true'").replace("  params: {status: {code: 7, message: closed today}}\n", "")
    table = swap.put(configured(text, adapters={"denier": adapter}))
    question = Question(lambda _: "default", {}, answers.append)
    CheckDispatcher(Failures(metrics)).dispatch(table, [question] * number)
    return metrics, answers


def dispatches(metrics: MixerMetrics) -> dict[str, float]:
    """error -> calls."""
    return {
        sample.labels["error"]: sample.value
        for family in metrics.handlers.dispatches.collect()
        for sample in family.samples
        if sample.name == "mixer_runtime_dispatches_total"
    }


def test_answers_that_come_later_are_counted_when_they_come() -> None:
    adapter = Playing()
    metrics, answers = asked(adapter, 3)
    assert dispatches(metrics) == {}
    first, second, third = adapter.calls
    first.answer(CheckResult())
    second.fail("the backend is away")
    assert dispatches(metrics) == {"false": 1, "true": 1}
    third.answer(CheckResult())
    third.answer(CheckResult())  # an answer too many
    assert dispatches(metrics) == {"false": 2, "true": 1}
    assert len(answers) == 3


RULES = """\
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: also, namespace: default}
spec: {compiledAdapter: denier}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: two, namespace: default}
spec:
  match: request.method == "GET"
  actions: [{handler: also, instances: [ask]}, {handler: closed, instances: [ask]}]
"""


def test_handlers_and_instances_are_counted_by_request() -> None:
    metrics = MixerMetrics(ServiceMetrics("mixer"))
    table = Swap("istio-system", metrics.handlers).put(configured(deny("true"), RULES))
    dispatcher = CheckDispatcher(Failures(metrics))
    bags: list[dict[str, object]] = [{"request.method": "GET"}, {"request.method": "PUT"}, {}]
    questions = [Question(lambda _: "default", bag, lambda _: None) for bag in bags]
    dispatcher.dispatch(table, [*questions, Question(lambda _: "elsewhere", {}, lambda _: None)])
    found = {
        (family.name.rpartition("_per_")[0], sample.labels.get("le", "sum")): sample.value
        for family in metrics.handlers.dispatches.collect()
        for sample in family.samples
        if family.name.endswith("_per_request") and sample.labels.get("le", "sum") in ("0.0", "1.0", "3.0", "sum")
    }
    for what in ("mixer_dispatcher_destinations", "mixer_dispatcher_instances"):
        assert [found[what, bound] for bound in ("0.0", "1.0", "3.0", "sum")] == [1, 3, 4, 5]


def test_a_handler_that_raises_has_failed_all_its_calls() -> None:
    metrics, answers = asked(Playing(raises=True), 2)
    assert dispatches(metrics) == {"true": 2}
    assert all(isinstance(each, str) for each in answers)


def test_a_distribution_counts_up_to_its_bounds() -> None:
    found = Distribution((1, 2.5, 10))
    for value in (0, 1, 2, 10, 11):
        found.add(value)
    found.add(2.5, times=2)
    assert found.buckets() == [("1.0", 2), ("2.5", 5), ("10.0", 6), ("+Inf", 7)]
    assert (found.number, found.total) == (7, 29)


def test_a_handler_that_takes_anothers_place_goes_on_with_its_counts() -> None:
    counts = DispatchCounts()
    counts.of("metric", "a.b", "prometheus").add(False, 0.1)
    counts.of("metric", "a.b", "prometheus").add(False, 0.2)
    (number, *_) = counts.collect()
    assert [(each.labels["handler"], each.value) for each in number.samples] == [("a.b", 2)]


def test_what_a_front_counts_is_on_the_page_with_what_was_watched() -> None:
    metrics = ServiceMetrics("mixer")
    rpcs = MixerMetrics(metrics).rpcs
    rpcs.of("/a.B/C").ended("OK", 0.0001)
    times = [0] * (len(BOUNDS.milliseconds) + 1)
    times[-1] = 3
    sizes = [2, *[0] * len(BOUNDS.sizes)]
    rpcs.also(lambda: [MethodTally("/a.B/C", {"OK": 2, "UNAVAILABLE": 1}, (times, 9e6), (sizes, 20.0), (sizes, 10.0))])
    for _ in range(2):
        text = metrics.render().decode()
        assert 'completed_rpcs{grpc_server_method="a.B/C",grpc_server_status="OK"} 3.0' in text, (
            "read twice, counted once"
        )
        assert 'completed_rpcs{grpc_server_method="a.B/C",grpc_server_status="UNAVAILABLE"} 1.0' in text
        assert 'server_latency_count{grpc_server_method="a.B/C"} 4.0' in text
        assert 'received_bytes_per_rpc_sum{grpc_server_method="a.B/C"} 20.0' in text


def test_counters_have_the_names_of_14_to_the_letter() -> None:
    metrics = ServiceMetrics("mixer")
    MixerMetrics(metrics).rpcs.of("/a.B/C").ended("OK", 0.1)
    text = metrics.render().decode()
    assert '\ngrpc_io_server_completed_rpcs{grpc_server_method="a.B/C",grpc_server_status="OK"} 1.0\n' in text
    assert "\n# TYPE mixer_runtime_dispatches_total counter\n" in text


def test_the_page_names_every_metric_that_there_is() -> None:
    metrics = ServiceMetrics("mixer")
    MixerMetrics(metrics)
    text = metrics.render().decode()
    there = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    named = set(re.findall(r"^\| `([a-z_]+)`", PAGE.read_text(), re.M))
    assert there - named == set()


def test_checks_are_counted_by_code_and_time() -> None:
    metrics = ServiceMetrics("mixer")
    counted = MixerMetrics(metrics)
    for code, seconds in (("OK", 0.0002), ("OK", 0.002), ("PERMISSION_DENIED", 5.0)):
        counted.checked(code, seconds)
    found = samples(metrics.render().decode())
    assert found[key("mixer_checks_total", code="OK")] == 2
    assert found[key("mixer_checks_total", code="PERMISSION_DENIED")] == 1
    assert found[key("mixer_check_seconds_bucket", le="0.00025")] == 1
    assert found[key("mixer_check_seconds_bucket", le="1.0")] == 2
    assert found[key("mixer_check_seconds_bucket", le="+Inf")] == found[key("mixer_check_seconds_count")] == 3
    assert 5.0 < found[key("mixer_check_seconds_sum")] < 5.01
