"""Calls and whole scenarios of Istio 1.4, played against its configuration.

All cases are written in legacy kinds. Those of the scenarios are read as they are; kinds that only the original's tests
have (`kind: tcheck` is an instance of template tcheck) are read as instances and handlers, and names are put back into
the old form before they are compared.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.empty_pb2 import Empty
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.generate import Generation
from flotilla_mixer.dispatch.quota import QuotaDispatcher, Wanted
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.adapter import CheckCall, GenerateCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult, DirectResponse, QuotaResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.template import Template, Variety
from flotilla_mixer.testing.meshes import read_objects
from flotilla_mixer.testing.redis_server import RedisServer
from flotilla_mixer.testing.zipkin_spans import SpanReceiver
from flotilla_protos.istio.policy.v1beta1.http_response_pb2 import DirectHttpResponse
from flotilla_shared.model.expressions import ValueType
from flotilla_shared.runtime.metrics import ServiceMetrics

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
FIXTURES = {
    "tcheck": (Template("tcheck", Variety.CHECK, maps=("values",)), "acheck"),
    "tcheckoutput": (
        Template("tcheckoutput", Variety.CHECK, maps=("values",), outputs={"value": ValueType.STRING}),
        "acheckoutput",
    ),
    "treport": (Template("treport", Variety.REPORT, maps=("values",)), "areport"),
    "tquota": (Template("tquota", Variety.QUOTA, maps=("values",)), "aquota"),
    "tapa": (
        Template("tapa", Variety.ATTRIBUTE_GENERATOR, maps=("values",), outputs={"generated.string": ValueType.STRING}),
        "apa",
    ),
}
OUTPUT = "1337"  # what the fixture of `tcheckoutput` gives
# The fixture of `tapa` gives an attribute as it is; here an instance binds its one output to it.
GENERATED, GIVEN = "prefix.generated.string", "generated.string"
DECLARED = {
    "apiVersion": "config.istio.io/v1alpha2",
    "kind": "attributemanifest",
    "metadata": {"name": "fixtures", "namespace": "istio-system"},
    "spec": {"attributes": {GENERATED: {"valueType": "STRING"}}},
}
# A template that fails by itself is an instance that cannot be made: of a bag, or at all.
NO_ROW, NO_INSTANCE = {"broken": "source.name"}, {"broken": "no.such.attribute"}


def rows(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def cases(table: str) -> list[Any]:
    return [pytest.param(case, id=f"{case['id']}-{case['name']}") for case in rows(table)]


def scenarios(*adapters: str) -> list[Any]:
    """Those of these adapters; of none: of all that need no server behind them."""
    found = cases("scenarios")
    beside = adapters or {each.values[0]["adapter"] for each in found} - {"redisquota", "zipkin"}
    return [each for each in found if each.values[0]["adapter"] in beside]


def translated(documents: Sequence[dict[str, Any]], templates: set[str], broken: dict[str, str]) -> str:
    """The same configuration in instances and handlers. `broken` is what every instance holds beside its own."""
    kinds: dict[str, str] = {}
    for each in documents:
        if each["kind"] not in ("rule", "attributemanifest"):
            kinds[each["kind"]] = "instance" if each["kind"] in templates else "handler"
    return yaml.safe_dump_all([DECLARED, *(_translated(each, kinds, broken) for each in documents)])


def _translated(document: dict[str, Any], kinds: dict[str, str], broken: dict[str, str]) -> dict[str, Any]:
    kind, spec = document["kind"], dict(document.get("spec") or {})
    if kind == "attributemanifest":
        return document
    if kind == "rule":
        actions = [
            {
                **action,
                "handler": _reference(action["handler"], kinds),
                "instances": [_reference(name, kinds) for name in action["instances"]],
            }
            for action in spec.get("actions", ())
        ]
        return {**document, "spec": {**spec, "actions": actions}}
    if kinds[kind] == "handler":
        params = {
            name: [_metric(each, kinds) for each in value] if name == "metrics" else value
            for name, value in spec.items()
        }
        return {**document, "kind": "handler", "spec": {"compiledAdapter": kind, "params": params}}
    bindings = {GENERATED: f"$out.{GIVEN}"} if spec.pop("attribute_bindings", None) else {}
    made = {"compiledTemplate": kind, "params": {"values": {**spec, **broken}}, "attributeBindings": bindings}
    return {**document, "kind": "instance", "spec": made}


def _metric(metric: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    return {**metric, "instance_name": _reference(metric["instance_name"], kinds)}


def _reference(name: str, kinds: dict[str, str]) -> str:
    return ".".join(kinds.get(part, part) for part in name.split("."))


class Player:
    """The fixtures' adapters: they answer in turn what a case says, or fail."""

    folder = Path()

    def __init__(self, template: str, adapter: str, fixture: dict[str, Any]) -> None:
        self.name = adapter
        self.templates = frozenset((template,))
        self.fixture = fixture
        self.steps: list[str] = []
        self.checks = list(fixture.get("CheckResults") or ())
        self.quotas = list(fixture.get("QuotaResults") or ())

    def defaults(self) -> Any:
        return Empty()

    def validate(self, *_: Any) -> list[Any]:
        return []

    def build(self, *_: Any) -> Player:
        return self

    def close(self) -> None:
        pass

    def _dispatched(self, what: str, number: int) -> None:
        self.steps += [what] * number
        if any(self.fixture.get(f"{how}OnDispatch{what}") for how in ("Error", "Panic")):
            raise RuntimeError("as expected")

    def check(self, calls: Sequence[CheckCall]) -> None:
        self._dispatched("Check", len(calls))
        for call in calls:
            given = self.checks.pop(0) if self.checks else None
            unset = CheckResult(0, "", 123, 123, outputs={"value": OUTPUT} if call.instance.template.outputs else None)
            call.answer(check_result(given) if given else unset)

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        self._dispatched("Quota", len(calls))
        for call in calls:
            given = self.quotas.pop(0) if self.quotas else None
            call.answer(
                QuotaResult(
                    given["Amount"], given["ValidDuration"] / 1e9, given["Status"]["Code"], given["Status"]["Message"]
                )
                if given
                else QuotaResult()
            )

    def report(self, batches: Sequence[ReportBatch]) -> None:
        self._dispatched("Report", len(batches))

    def generate(self, calls: Sequence[GenerateCall]) -> None:
        self._dispatched("GenAttrs", len(calls))
        given = [value_of(each) for each in (self.fixture.get("OutputAttrs") or {}).values()]
        for call in calls:
            call.answer({GIVEN: given[0]} if given else {})


def check_result(given: dict[str, Any]) -> CheckResult:
    status, direct = given["Status"], None
    for each in status["Details"]:
        found = DirectHttpResponse.FromString(bytes.fromhex(each["Value"]["hex"]))
        direct = DirectResponse(found.code, found.body, tuple(sorted(found.headers.items())))
    return CheckResult(
        status["Code"], status["Message"], given["ValidDuration"] / 1e9, given["ValidUseCount"], direct=direct
    )


class Inside:
    def __init__(
        self,
        documents: Sequence[dict[str, Any]],
        adapters: dict[str, Any],
        templates: set[str] | None = None,
        broken: dict[str, str] | None = None,
    ) -> None:
        self.failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
        self.swap = Swap("istio-system")
        text = translated(documents, templates, broken or {}) if templates else yaml.safe_dump_all(documents)
        configuration = build_configuration(read_objects(text), adapters, "cluster.local")
        self.table = self.swap.put(configuration)

    def check(self, bag: dict[str, object], namespace: str = "istio-system") -> CheckResult | str:
        found: list[Any] = []
        CheckDispatcher(self.failures).dispatch(self.table, [Question(lambda _: namespace, bag, found.append)])
        return found[0]  # type: ignore[no-any-return]

    def generate(self, bag: dict[str, object]) -> Any:
        """The bag with what generators add, or the text of a failure."""
        found: list[Any] = []
        Generation(bag, self.failures, found.append).run(self.table.of("istio-system").generate)
        return found[0]


@pytest.mark.parametrize("case", cases("dispatch"))
def test_calls(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {each["Name"]: each for each in case["fixture_templates"] + case["fixture_adapters"]}
    players = {}
    for name, (template, adapter) in FIXTURES.items():
        monkeypatch.setitem(TEMPLATES, name, template)
        players[adapter] = Player(name, adapter, given.get(name, {}))
    faulty = any(each["ErrorAtCreateInstance"] for each in case["fixture_templates"])
    inside = Inside(case["config"], players, set(FIXTURES), NO_ROW if faulty else None)
    bag = {name: value_of(value) for name, value in case["attributes"].items()}
    expected, variety = case["expected"], case["variety"]
    if variety.startswith("TEMPLATE_VARIETY_CHECK"):
        compare_check(inside.check(bag), expected)
    elif variety == "TEMPLATE_VARIETY_ATTRIBUTE_GENERATOR":
        compare_generated(inside.generate(bag), bag, expected)
    elif variety == "TEMPLATE_VARIETY_REPORT":
        wrong: list[str] = []
        ReportDispatcher(inside.failures).dispatch(inside.table, [bag], lambda _: "istio-system", wrong.extend)
        assert bool(wrong) is bool(expected["error"])
    else:
        args = case["quota_args"] or {"Quota": "iquota1", "Amount": 1, "BestEffort": False, "DeduplicationID": ""}
        wanted = Wanted(args["Quota"], args["Amount"], args["BestEffort"], args["DeduplicationID"])
        results: list[QuotaResult] = []
        QuotaDispatcher(inside.failures).dispatch(inside.table.of("istio-system"), bag, wanted, results.append)
        compare_quota(results[0], expected["quota"])
    steps = [each["step"] for each in expected["steps"] if each["step"].startswith("Dispatch")]
    if "Quota" not in variety:
        asked = [f"Dispatch{each}" for player in players.values() for each in player.steps]
        assert asked == steps


def compare_generated(found: Any, bag: dict[str, object], expected: dict[str, Any]) -> None:
    if expected["error"]:
        assert isinstance(found, str)
    else:
        added = {name: value for name, value in found.items() if name not in bag}
        assert added == {name: value_of(value) for name, value in expected["attributes"].items()}


def old_form(message: str) -> str:
    """A handler's name as 1.4 wrote that of a legacy kind."""
    return message.replace("hcheck1.istio-system", "hcheck1.acheck.istio-system").replace(
        "hquota1.istio-system", "hquota1.aquota.istio-system"
    )


def compare_check(found: CheckResult | str, expected: dict[str, Any]) -> None:
    if expected["error"]:
        assert isinstance(found, str)
        return
    assert isinstance(found, CheckResult)
    wanted = expected["check"]
    status = wanted["Status"]
    assert (found.code, old_form(found.message)) == (status["Code"], status["Message"])
    assert (round(found.valid_seconds * 1e9), found.valid_uses) == (wanted["ValidDuration"], wanted["ValidUseCount"])
    directive = wanted["RouteDirective"]
    if found.direct is not None:
        assert (found.direct.code, found.direct.body) == (
            directive["DirectResponseCode"],
            directive["DirectResponseBody"],
        )
        assert found.direct.header_lines() == [
            (each["Name"], each["Value"]) for each in directive["ResponseHeaderOperations"]
        ]
        return
    for mine, name in (
        (found.directive.request, "RequestHeaderOperations"),
        (found.directive.response, "ResponseHeaderOperations"),
    ):
        told = [(each.operation, each.name, each.value) for each in mine]
        assert told == [(each["Operation"], each["Name"], each["Value"]) for each in (directive or {}).get(name, ())]


def compare_quota(found: QuotaResult, wanted: dict[str, Any]) -> None:
    status = wanted["Status"]
    assert (found.amount, round(found.valid_seconds * 1e9)) == (wanted["Amount"], wanted["ValidDuration"])
    assert (found.code, old_form(found.message)) == (status["Code"], status["Message"])


def table_of(inside: Inside, namespaces: set[str]) -> dict[tuple[str, str, str, str | None], list[str]]:
    """(variety, namespace, handler, condition) -> instances, of this Mixer's table."""
    found: dict[tuple[str, str, str, str | None], list[str]] = {}
    for namespace in namespaces:
        rules = inside.table.of(namespace)
        for variety, groups in (("CHECK", rules.check), ("ATTRIBUTE_GENERATOR", rules.generate)):
            for group in groups:
                for target in group.targets:
                    key = (variety, namespace, target.handler.config.name, group.match_text or None)
                    found[key] = sorted(each.spec.name for each in target.instances)
    return found


def wanted_table(case: dict[str, Any], kinds: dict[str, str]) -> dict[tuple[str, str, str, str | None], list[str]]:
    """The same of a case. An instance that two rules name under one condition is asked once here."""
    found: dict[tuple[str, str, str, str | None], list[str]] = {}
    for variety in case["expected"]:
        for namespace in variety["items"]:
            for handler in namespace["items"]:
                for group in handler["items"]:
                    name = variety["name"].removeprefix("TEMPLATE_VARIETY_")
                    key = (name, namespace["name"], _reference(handler["name"], kinds), group["condition"])
                    found[key] = sorted({_reference(each["name"], kinds) for each in group["items"]})
    return found


@pytest.mark.parametrize("case", cases("routing"))
def test_tables(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    players = {}
    for name, (template, adapter) in FIXTURES.items():
        monkeypatch.setitem(TEMPLATES, name, template)
        players[adapter] = Player(name, adapter, {})
    kinds = dict.fromkeys(FIXTURES, "instance") | {adapter: "handler" for _, adapter in FIXTURES.values()}
    expected = wanted_table(case, kinds)
    inside = Inside(case["config"], players, set(FIXTURES), NO_INSTANCE if case["faulty_fixture"] else None)
    namespaces = {namespace for _, namespace, _, _ in expected} | {"istio-system"}
    assert table_of(inside, namespaces) == expected


@pytest.mark.parametrize("case", scenarios("redisquota"))
@pytest.mark.real
async def test_scenarios_of_quotas_in_redis(case: dict[str, Any], redis: RedisServer) -> None:
    text = json.dumps(case["config"]).replace("BACKEND:PORT", redis.address)
    inside = Inside(json.loads(text), dict(load_adapters()))
    for call, expected in zip(case["calls"], case["expected"]["Returns"], strict=True):
        bag = {name: value_of(value) for name, value in call["attributes"].items()}
        for name, asked in call["quotas"].items():
            answer: asyncio.Future[QuotaResult] = asyncio.get_running_loop().create_future()
            wanted = Wanted(name, asked["amount"], asked["best_effort"], "")
            QuotaDispatcher(inside.failures).dispatch(inside.table.of(""), bag, wanted, answer.set_result)
            found = await asyncio.wait_for(answer, 10)
            told = expected["Quota"][name]
            assert (found.code, found.amount, round(found.valid_seconds * 1e9)) == (
                0,
                told["Amount"],
                told["ValidDuration"],
            )
    await inside.swap.stop()


@pytest.mark.parametrize("case", scenarios("zipkin"))
async def test_scenarios_of_traces(case: dict[str, Any]) -> None:
    """The spans are 1.4's, but for the other end of the call, which it left out."""
    receiver = SpanReceiver()
    where = {"url": (await receiver.start())["url"]}
    config = [each | ({"spec": each["spec"] | where} if each["kind"] == "zipkin" else {}) for each in case["config"]]
    inside = Inside(config, dict(load_adapters()))
    for call in case["calls"]:
        bag = {name: value_of(value) for name, value in call["attributes"].items()}
        wrong: list[str] = []
        ReportDispatcher(inside.failures).dispatch(inside.table, [bag], lambda _: "", wrong.extend)
        assert wrong == []
    await inside.swap.stop()
    await receiver.stop()
    assert [each.pop("remoteEndpoint") for each in receiver.spans] == [{"serviceName": "srcsvc"}]
    assert receiver.spans == case["expected"]["AdapterState"]


@pytest.mark.parametrize("case", scenarios())
def test_scenarios(case: dict[str, Any]) -> None:
    adapters: Any = dict(load_adapters())
    inside = Inside(case["config"], adapters)
    for call, expected in zip(case["calls"], case["expected"]["Returns"], strict=True):
        bag = {name: value_of(value) for name, value in call["attributes"].items()}
        if call["kind"] == "REPORT":
            wrong: list[str] = []
            ReportDispatcher(inside.failures).dispatch(inside.table, [bag], lambda _: "", wrong.extend)
            assert wrong == []
            continue
        found, wanted = inside.check(bag, ""), expected["Check"]
        assert isinstance(found, CheckResult)
        assert (found.code, found.message) == (wanted["Status"].get("code", 0), wanted["Status"].get("message", ""))
        assert (round(found.valid_seconds * 1e9), found.valid_uses) == (
            wanted["ValidDuration"],
            wanted["ValidUseCount"],
        )
    if case["adapter"] == "prometheus":
        (family,) = text_string_to_metric_families(render(adapters["prometheus"].store).decode())
        (state,) = case["expected"]["AdapterState"]
        assert (family.name, family.documentation, family.type) == (state["name"], state["help"], state["type"].lower())
        shown = [(sample.labels, sample.value) for sample in family.samples]
        assert shown == [(each["labels"], float(each["value"])) for each in state["metrics"]]


@pytest.mark.parametrize("table", ["dispatch", "routing", "scenarios"])
def test_every_table_is_there(table: str) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = rows(table)
    print(f"{table}: {len(found)} ran, 0 skipped, 0 differ")
    assert len(found) >= 4
