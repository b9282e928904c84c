"""What an explanation says: rules with their reasons, what was asked with which values, how it ended. Nothing is counted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.adapters.denier.adapter import Denier
from flotilla_mixer.attributes.typed import python_types, typed_bag
from flotilla_mixer.debug.handlers import dispatch_rows, handler_states
from flotilla_mixer.debug.topics import debug_topics
from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.check import Question as CheckQuestion
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.explain.explain import explain_check, explain_report
from flotilla_mixer.explain.infix import written
from flotilla_mixer.explain.question import Question, QuestionError, read_question
from flotilla_mixer.explain.reasons import judged
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.counters import HandlerCounters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_shared.model.expressions import VOCABULARY, Duration, ExpressionError, Timestamp, parse
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.trace import HopRecorder

LIMIT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec:
  compiledAdapter: memquota
  params: {quotas: [{name: perminute.instance.default, maxAmount: 3, validDuration: 60s}]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: perminute, namespace: default}
spec: {compiledTemplate: quota, params: {dimensions: {path: request.path}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec:
  match: request.path != "/free"
  actions: [{handler: limits, instances: [perminute]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: mark, namespace: default}
spec:
  requestHeaderOperations: [{name: x-path, values: [request.path]}, {name: x-old, operation: REMOVE}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: lost, namespace: default}
spec:
  match: request.size > "3"
  actions: [{handler: nowhere, instances: [ask]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: elsewhere, namespace: other}
spec:
  requestHeaderOperations: [{name: x-other, values: [request.path]}]
"""
REPORT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: pages, namespace: istio-system}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {name: calls, instanceName: calls.instance.istio-system, kind: COUNTER, labelNames: [path]}
    - {name: failing, instanceName: failing.instance.istio-system, kind: COUNTER}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: istio-system}
spec: {compiledTemplate: metric, params: {value: "1", dimensions: {path: request.path | "none"}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: failing, namespace: istio-system}
spec: {compiledTemplate: metric, params: {value: request.size, dimensions: {}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tell, namespace: istio-system}
spec:
  match: context.protocol == "http"
  actions: [{handler: pages, instances: [calls, failing]}]
"""
MATCH = 'source.labels["version"] == "v2" && (request.path | "/").startsWith("/ratings")'
BAG: dict[str, object] = {"destination.namespace": "default", "source.labels": {"version": "v2"}, "request.path": "/x"}


@pytest.fixture
async def swap() -> AsyncIterator[Swap]:
    made = Swap("istio-system", HandlerCounters(ServiceMetrics("mixer")))
    made.put(configured(deny(MATCH), LIMIT, REPORT))
    yield made
    await made.stop()


async def checked(
    swap: Swap, bag: dict[str, object], quotas: dict[str, int] | None = None, **more: Any
) -> dict[str, Any]:
    assert swap.table is not None
    found = await explain_check(swap.table, Question(bag, quotas or {}, **more))
    assert swap.table.open_calls == 0
    assert json.loads(json.dumps(found)) == found
    return found


async def test_a_denial_with_all_that_led_to_it(swap: Swap) -> None:
    found = await checked(swap, BAG | {"request.path": "/ratings/0"})
    assert found["result"] == {
        "status": "PERMISSION_DENIED",
        "code": 7,
        "message": "closed.default:closed today",
        "valid_seconds": 5.0,
        "valid_uses": 1000,
    }
    (asked,) = found["asked"]
    assert (asked["handler"], asked["adapter"], asked["instance"]) == (
        "closed.default",
        "denier",
        "ask.instance.default",
    )
    assert asked["said"]["message"] == "closed today"
    assert "headers" not in found
    assert "denied by closed.default" in found["combined"]
    rules = {rule["rule"]: rule for rule in found["rules"]}
    assert sorted(rules) == ["default/deny", "default/limit", "default/lost", "default/mark", "istio-system/tell"]
    assert rules["default/deny"] | {"because": ...} == {
        "rule": "default/deny",
        "match": MATCH,
        "holds": True,
        "because": ...,
        "does": ["check"],
        "actions": [{"handler": "default/closed", "instances": ["ask.instance.default"]}],
    }
    assert rules["default/lost"]["does"] == []
    assert "typeError" in rules["default/lost"]["error"]
    assert any("nowhere" in each or "typeError" in each for each in rules["default/lost"]["problems"])


async def test_what_did_not_hold_has_its_reason_and_headers_are_told(swap: Swap) -> None:
    found = await checked(swap, BAG)
    (deny_rule,) = (rule for rule in found["rules"] if rule["rule"] == "default/deny")
    assert deny_rule["holds"] is False
    assert deny_rule["because"] == [
        {"expression": 'source.labels["version"] == "v2"', "value": True},
        {"expression": '(request.path | "/").startsWith("/ratings")', "value": False},
        {"expression": 'source.labels["version"]', "value": "v2"},
        {"expression": "request.path", "value": "/x"},
    ]
    assert found["result"] == {"status": "OK", "code": 0, "valid_seconds": 60.0, "valid_uses": 10000}
    assert found["headers"]["request"] == [
        {"operation": "REPLACE", "name": "x-path", "value": "/x"},
        {"operation": "REMOVE", "name": "x-old", "value": ""},
    ]
    assert {"name": "source.labels", "map_key": "version", "condition": "EXACT"} in found["referenced"]


async def test_quotas_are_used_up_only_where_it_is_asked_for(swap: Swap) -> None:
    for _ in range(3):
        found = await checked(swap, BAG, {"PerMinute": 2})
        assert "result" not in found["quotas"]["PerMinute"]
        assert found["quotas"]["PerMinute"]["asked"][0]["values"] == {"dimensions": {"path": "/x"}}
        assert "--consume" in found["note"]
    granted = [
        (await checked(swap, BAG, {"perminute": 2}, consume=True))["quotas"]["perminute"]["result"]["granted"]
        for _ in range(3)
    ]
    assert granted == [2, 1, 0]  # best effort, as mixc asks
    free = await checked(swap, BAG | {"request.path": "/free"}, {"perminute": 5, "unheard": 1})
    assert {name: each["result"]["granted"] for name, each in free["quotas"].items()} == {"perminute": 5, "unheard": 1}
    assert "note" not in free


async def test_an_instance_that_cannot_be_made_fails_the_whole_check(swap: Swap) -> None:
    swap.put(configured(deny("true").replace("checknothing", "listentry, params: {value: request.path}")))
    found = await checked(swap, {"destination.namespace": "default"})
    assert found["result"]["error"] == "evaluation failed at [ask.instance.default]: lookup failed: 'request.path'"
    assert found["failed"] == [{"instance": "ask.instance.default", "error": "lookup failed: 'request.path'"}]
    assert "fails the whole Check" in found["combined"]


async def test_a_report_is_told_and_sent_only_where_it_is_asked_for(swap: Swap) -> None:
    assert swap.table is not None
    bag: dict[str, object] = {"context.protocol": "http", "request.path": "/x"}
    adapter: Any = swap.table.configuration.handlers[
        next(key for key in swap.table.by_key if key.name == "pages")
    ].adapter
    before = adapter.store.count
    told = await explain_report(swap.table, Question(bag))
    assert [(each["handler"], each["values"]) for each in told["asked"]] == [
        ("pages.istio-system", {"value": 1, "dimensions": {"path": "/x"}})
    ]
    assert told["errors"] == ["evaluation failed at [failing.instance.istio-system]: lookup failed: 'request.size'"]
    assert (told["sent"], adapter.store.count) == (False, before)
    sent = await explain_report(swap.table, Question(bag, send=True))
    assert (sent["sent"], adapter.store.count) == (True, before + 1)
    nothing = await explain_report(swap.table, Question({"context.protocol": "tcp"}))
    assert nothing["asked"] == []


async def test_nothing_is_counted(swap: Swap) -> None:
    await checked(swap, BAG | {"request.path": "/ratings/0"})
    assert swap.table is not None
    dispatches = swap.table.handlers[0].counters.dispatches
    assert all(sample.value == 0 for family in dispatches.collect() for sample in family.samples)


WRONG: list[tuple[Any, str]] = [
    (None, "an object with"),
    ({"attribute": {}}, "has no 'attribute'"),
    ({"attributes": []}, ""),
    ({"attributes": [1]}, "typed values"),
    ({"attributes": {"a": "x"}}, "no typed value"),
    ({"attributes": {"a": {"type": "INT64", "value": "x"}}}, "no typed value"),
    ({"attributes": {"a": {"type": "STRING", "value": 3}}}, "no typed value"),
    ({"attributes": {"a": {"type": "STRING_MAP", "value": {"b": 3}}}}, "no typed value"),
    ({"attributes": {"a": {"type": "BYTES", "hex": "zz"}}}, "no typed value"),
    ({"attributes": {"a": {"type": [], "value": 3}}}, "no typed value"),
    ({"quotas": {"a": "1"}}, "whole amounts"),
    ({"quotas": {"a": 2**70}}, "whole amounts"),
    ({"quotas": {"a": True}}, "whole amounts"),
    ({"consume": "yes"}, "true or false"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_is_no_question(given: Any, said: str) -> None:
    if not said:
        assert read_question(given) == Question()
        return
    with pytest.raises(QuestionError, match=said):
        read_question(given)


def test_a_question_travels() -> None:
    bag = {"a": 1, "b": 1.5, "c": True, "d": b"\1", "e": {"k": "v"}, "f": Timestamp(10**18), "g": Duration(5), "h": "x"}
    question = Question(bag, {"q": 3}, consume=True)
    back = read_question(json.loads(json.dumps(question.as_json())))
    assert back == question
    assert [type(value) for value in back.attributes.values()] == [type(value) for value in bag.values()]


async def test_attributes_that_no_client_can_send_are_refused(swap: Swap) -> None:
    assert swap.table is not None
    for value in (2**70, "\udc80"):
        with pytest.raises(QuestionError, match="cannot be sent"):
            await explain_check(swap.table, Question({"a": value}))


ODD = [json.loads(line) for line in (Path(__file__).parent / "odd_inputs.jsonl").read_text().splitlines()]
MORE = [
    '(a | b) == "x" && !(c)',
    '((a[b]))["c"]',
    "(a || b) && c || (d && e)",
    "a + (b + c)",
    "a | (b | c)",
    'f(a | b, "x")',
]


@pytest.mark.parametrize("text", MORE + [case["arguments"][0] for case in ODD if case["function"] == "parse"])
def test_what_is_written_anew_reads_the_same(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return
    assert str(parse(written(tree))) == str(tree)


def test_a_fallback_stands_in_parentheses() -> None:
    assert written(parse('(a | "x") == b')) == '(a | "x") == b'
    assert written(parse('((a["k"])) | b')) == 'a["k"] | b'


JUDGED: list[tuple[str, dict[str, object], dict[str, Any]]] = [
    ("", {}, {"holds": True}),
    ("true", {}, {"holds": True}),
    ("request.path", {}, {"holds": False, "error": "lookup failed: 'request.path'"}),
    (
        "request.path ==",
        {},
        {"holds": False, "error": "expected an attribute, a value or a function, found the end (at character 16)"},
    ),
    (
        "request.size == 3",
        {"request.size": 3},
        {"holds": True, "because": [{"expression": "request.size", "value": 3}]},
    ),
    (
        "connection.mtls",
        {"connection.mtls": True},
        {"holds": True, "because": [{"expression": "connection.mtls", "value": True}]},
    ),
    (
        "request.size == 3",
        {"request.size": "x"},
        {"holds": False, "error": "error converting value to integer or duration: 'x'"},
    ),
]


@pytest.mark.parametrize(("match", "bag", "expected"), JUDGED)
def test_conditions_are_judged(match: str, bag: dict[str, object], expected: dict[str, Any]) -> None:
    found = judged(match, typed_bag(bag, python_types(VOCABULARY)), VOCABULARY)
    if "error" in expected:
        assert (found["holds"], found["error"].endswith(expected["error"])) == (False, True), found
    else:
        assert found == expected


CEL = """\
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: cel, namespace: default, annotations: {policy.istio.io/lang: CEL}}
spec:
  match: 'source.labels["version"] == "v2" ? true : request.path.startsWith("/r")'
  requestHeaderOperations: [{name: x-path, values: [request.path]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tell, namespace: istio-system}
spec:
  match: context.protocol == "http"
  actions: [{handler: pages, instances: [calls]}]
  sampling:
    random: {attributeExpression: request.size | 0, percentSampled: {numerator: 1, denominator: TEN_THOUSAND}}
"""


async def test_a_rule_in_cel_and_one_that_samples(swap: Swap) -> None:
    swap.put(configured(REPORT.replace("name: tell", "name: other").replace("calls, failing", "failing"), CEL))
    rules = {rule["rule"]: rule for rule in (await checked(swap, BAG))["rules"]}
    assert (rules["default/cel"]["holds"], rules["default/cel"]["language"]) == (True, "CEL")
    assert swap.table is not None
    found = await explain_report(swap.table, Question({"context.protocol": "http", "request.path": "/x"}))
    assert [each["instance"] for each in found["asked"]] == ["calls.instance.istio-system"]
    assert {rule["rule"]: rule.get("samples", False) for rule in found["rules"]} == {
        "istio-system/other": False,
        "istio-system/tell": True,
    }


# the pages


async def test_the_pages_show_the_table_and_every_handler(swap: Swap) -> None:
    assert swap.table is not None
    rows = dispatch_rows(swap.table)
    assert {
        "namespace": "default",
        "for": "quota perminute",
        "match": 'request.path != "/free"',
        "handler": "limits.default",
        "instances": ["perminute.instance.default"],
    } in rows
    assert {row["for"] for row in rows if row["namespace"] == "default"} == {
        "check",
        "quota perminute",
        "report",
        "headers",
    }
    assert {row["for"] for row in rows if row["namespace"] == "(any other)"} == {"report"}
    assert {row["namespace"] for row in rows} == {"default", "other", "(any other)"}
    states = {state["name"]: state for state in handler_states(swap)}
    assert {name: state["state"] for name, state in states.items()} == {
        "closed.default": "built",
        "limits.default": "built",
        "pages.istio-system": "built",
    }
    question = CheckQuestion(lambda _: "default", BAG | {"request.path": "/ratings"}, [].append)
    CheckDispatcher(Failures(MixerMetrics(ServiceMetrics("mixer")))).dispatch(swap.table, [question])
    (closed,) = (state for state in handler_states(swap) if state["name"] == "closed.default")
    assert (closed["calls"], closed["failed calls"], closed["problems"]) == (1, 0, [])
    topics = debug_topics(swap, dict(load_adapters()), HopRecorder("mixer"))
    adapters: Any = {each["name"]: each for each in topics["adapters"]()}  # type: ignore[attr-defined]
    assert [each["name"] for each in adapters["memquota"]["handlers"]] == ["limits.default"]
    config: Any = topics["config"]()
    lost = [each for each in config["problems"] if each["name"] == "default/lost"]
    assert [(each["field"], each["code"]) for each in lost] == [("spec.match", "bad-match")]
    assert json.loads(json.dumps(config)) == config


class Broken(Denier):
    """A denier that cannot be built."""

    def build(self, *_: Any) -> Any:
        raise ValueError("there is no room for it")


async def test_a_handler_that_cannot_be_built_is_shown_with_the_reason() -> None:
    adapters, swap = dict(load_adapters()) | {"denier": Broken()}, Swap("istio-system")
    swap.put(configured(deny("true").replace("closed today", "shut"), adapters=adapters))
    (state,) = handler_states(swap)
    assert (state["name"], state["state"]) == ("closed.default", "not built")
    assert state["problems"] == ["spec.params: the handler cannot be built: there is no room for it."]
    found = await checked(swap, {"destination.namespace": "default"})
    assert found["asked"] == []
    assert found["rules"][0]["actions"][0]["not_built"] is True
