"""What a server of Istio 1.4 answered, call by call, and what its metrics showed afterwards."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import read_objects
from flotilla_mixer.testing.native import NativeClient
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckResponse, HeaderOperation
from flotilla_shared.runtime.batches import CallFailed
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
CLIENT = NativeClient(222)
SLACK_NS = 1_000_000_000  # a validity that was counted down while the case was recorded

# Where this Mixer differs on purpose: calls without a deduplication id are calls of their own, unless it is told otherwise.
DIFFERENT = {"mixer/server/e08536324c38", "mixer/server/c5ced4397573"}


def cases() -> list[Any]:
    file = VECTORS / "mixer" / "server.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [pytest.param(case, id=f"{case['id']}-{case['name']}") for case in found]


class Server:
    """A Mixer's inside with the configuration of a case."""

    def __init__(self, case: dict[str, Any], *, separate_quota_calls: bool = True) -> None:
        self.adapters = load_adapters()
        base = (VECTORS / "fixtures" / "mixer-config" / f"{case['base_config']}.yaml").read_text()
        extra = yaml.safe_dump_all(case["extra_config"])
        configuration = build_configuration(read_objects(base, extra), self.adapters, "cluster.local")
        metrics = MixerMetrics(ServiceMetrics("mixer"))
        failures = Failures(metrics)
        self.swap = Swap("istio-system")
        self.swap.put(configuration)
        self.native = NativeMixer(
            lambda: self.swap.table,
            CheckDispatcher(failures),
            QuotaDispatcher(failures),
            ReportDispatcher(failures),
            metrics,
            as_given=True,
            separate_quota_calls=separate_quota_calls,
        )

    async def ask(self, call: dict[str, Any]) -> dict[str, Any]:
        """The answer, as the cases write them."""
        if call["kind"] == "CHECK":
            quotas = {
                name: (int(q["amount"]), bool(q.get("best_effort"))) for name, q in (call.get("quotas") or {}).items()
            }
            request, function = CLIENT.check_request(bag_of(call["attributes"]), quotas), self.native.check
        else:
            request, function = CLIENT.report_request([bag_of(each) for each in call["entries"]]), self.native.report
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        function([Call("", request.SerializeToString(), (), Peer(""), None, answer)])
        try:
            found = await asyncio.wait_for(answer, 10)
        except CallFailed as failed:
            return {"grpc_error": {grpc.StatusCode.INTERNAL: 13, grpc.StatusCode.UNKNOWN: 2}[failed.code]}
        return shown(CheckResponse.FromString(found)) if call["kind"] == "CHECK" else {"ok": True}


def bag_of(given: dict[str, Any]) -> dict[str, object]:
    typical = json.loads((VECTORS / "fixtures" / "typical_attributes.json").read_text())
    content = {**typical.get(given.get("base", ""), {}), **given["set"]}
    return {name: value_of(each) for name, each in content.items() if name not in given.get("without", ())}


def shown(response: CheckResponse) -> dict[str, Any]:
    found = response.precondition
    answer = {
        "code": found.status.code,
        "message": found.status.message,
        "valid_duration_ns": found.valid_duration.ToNanoseconds(),
        "valid_use_count": found.valid_use_count,
        **in_any_order({"code": found.status.code, "message": found.status.message}),
        "referenced": CLIENT.matches(found.referenced_attributes),
    }
    if found.HasField("route_directive"):
        directive = found.route_directive
        answer["route_directive"] = [
            [(each.name, each.value, HeaderOperation.Operation.Name(each.operation)) for each in operations]
            for operations in (directive.request_header_operations, directive.response_header_operations)
        ]
    quotas = {
        name: {
            "code": each.status.code,
            "message": each.status.message,
            "granted": each.granted_amount,
            "valid_duration_ns": each.valid_duration.ToNanoseconds(),
        }
        for name, each in response.quotas.items()
    }
    return {"precondition": answer, "quotas": quotas}


def in_any_order(status: dict[str, Any]) -> dict[str, Any]:
    """Handlers answer one request in no fixed order: of several denials the first gives the code."""
    said = sorted(status["message"].split(", "))
    return {"message": said, "code": status["code"] if len(said) == 1 else status["code"] > 0}


def wanted(expected: dict[str, Any]) -> dict[str, Any]:
    if "grpc_error" in expected:
        return {"grpc_error": expected["grpc_error"]["code"]}
    if "precondition" not in expected:
        return expected
    found = dict(expected["precondition"])
    found |= in_any_order(found)
    found["referenced"] = {(each["name"], each.get("map_key", ""), each["condition"]) for each in found["referenced"]}
    if "route_directive" in found:
        given = found["route_directive"]
        found["route_directive"] = [
            [(each["name"], each.get("value", ""), each.get("operation", "REPLACE")) for each in given.get(name, ())]
            for name in ("requestHeaderOperations", "responseHeaderOperations")
        ]
    return {"precondition": found, "quotas": expected["quotas"]}


def series(page: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(name, labels) -> values, without the infinite bucket's bound being written in some form."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            each = found.setdefault((name, *sorted(labels.items())), {})
            part = sample.name.removeprefix(family.name)
            each[f"{part}{sample.labels.get('le', '')}"] = sample.value
    return found  # type: ignore[return-value]


def wanted_series(case: dict[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = {}
    for each in case.get("expected_metrics") or ():
        if each["type"] == "histogram":
            values = {f"_bucket{bound}": count for bound, count in each["buckets"].items()}
            values |= {"_sum": pytest.approx(each["sum"]), "_count": each["count"]}
        else:
            values = {"_total": each["value"]}
        found[(each["name"], *sorted(each["labels"].items()))] = values
    return found


@pytest.mark.parametrize("case", cases())
async def test_a_server_answers_as_one_of_14_did(case: dict[str, Any]) -> None:
    """With the one setting by which it does so in all."""
    server = Server(case, separate_quota_calls=False)
    for found, expected in await played(server, case):
        assert found == expected
    adapter: Any = server.adapters["prometheus"]
    if case.get("expected_metrics") is not None:
        assert series(render(adapter.store).decode()) == wanted_series(case)
    await server.swap.stop()


@pytest.mark.parametrize("case", [each for each in cases() if each.values[0]["id"] in DIFFERENT])
async def test_without_that_setting_a_quota_call_without_an_identifier_counts_by_itself(case: dict[str, Any]) -> None:
    server = Server(case)
    answers = await played(server, case)
    await server.swap.stop()
    assert any(found != expected for found, expected in answers)


async def played(server: Server, case: dict[str, Any]) -> list[tuple[Any, Any]]:
    """For each call what was answered, and what 1.4 answered."""
    answers = []
    for call in case["calls"]:
        found, expected = await server.ask(call), wanted(call["expected"])
        for name, quota in expected.get("quotas", {}).items():
            near = pytest.approx(quota["valid_duration_ns"], abs=SLACK_NS)
            expected["quotas"] = {**expected["quotas"], name: quota | {"valid_duration_ns": near}}
        answers.append((found, expected))
    return answers


def test_the_table_is_there() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = len(cases())
    print(f"server: {found} ran, 0 skipped, 0 differ; {len(DIFFERENT)} by the setting separate_quota_calls alone")
    assert found >= 27
    assert {each.values[0]["id"] for each in cases()} >= DIFFERENT


SAMPLES = ["fixtures/mixer-config/default.yaml", "fixtures/mixer-config/with-access-log.yaml"]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_configuration_that_14_installs_has_no_errors(name: str) -> None:
    file = VECTORS / name
    if not file.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = build_configuration(read_objects(file.read_text()), load_adapters(), "cluster.local")
    assert dict(found.problems) == {}
