"""From bags to handlers and back: which rules hold, what is asked, how answers are joined, who is reported to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.protobuf.message import Message

from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.decision import combine
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.adapter import CheckCall, Environment, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import DEFAULT, UNOPPOSED, CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_protos.istio.mixer.adapter.denier.config.config_pb2 import Params

NO = CheckResult(7, "no", 5.0, 1000)

COMBINATIONS = [
    ([], UNOPPOSED),
    ([("a", DEFAULT)], UNOPPOSED),
    ([("a", CheckResult(0, "", 10, 5))], CheckResult(0, "", 10, 5)),
    ([("a", CheckResult(0, "", 10, 5)), ("b", CheckResult(0, "", 3, 50))], CheckResult(0, "", 3, 5)),
    ([("a.ns", NO)], CheckResult(7, "a.ns:no", 5, 1000)),
    ([("a", NO), ("b", CheckResult(16, "who", 1, 1))], CheckResult(7, "a:no, b:who", 1, 1)),
    ([("a", CheckResult(0, "", 10, 5)), ("b", NO)], CheckResult(7, "b:no", 5, 5)),
    ([("a", DEFAULT), ("b", NO)], CheckResult(7, "b:no", 5, 1000)),
]


@pytest.mark.parametrize(("answers", "expected"), COMBINATIONS)
def test_answers_are_joined(answers: list[tuple[str, CheckResult]], expected: CheckResult) -> None:
    assert combine(answers) == expected


class Slow:
    """An adapter that keeps its calls, and remembers what was reported to it."""

    name: ClassVar[str] = "slow"
    folder: ClassVar[Path] = Path()
    templates: ClassVar[frozenset[str]] = frozenset(("checknothing", "metric"))

    def __init__(self) -> None:
        self.kept: list[CheckCall] = []
        self.batches: list[Sequence[CheckCall]] = []
        self.reports: list[Sequence[ReportBatch]] = []
        self.built = self.closed = 0
        self.raises: Exception | None = None

    def defaults(self) -> Message:
        return Params()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> list[Any]:
        return []

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> Slow:
        if self.raises is not None:
            raise self.raises
        self.built += 1
        return self

    def check(self, calls: Sequence[CheckCall]) -> None:
        if self.raises is not None:
            raise self.raises
        self.batches.append(calls)
        self.kept += calls

    def report(self, batches: Sequence[ReportBatch]) -> None:
        if self.raises is not None:
            raise self.raises
        self.reports.append(batches)

    def close(self) -> None:
        self.closed += 1


SLOW = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: slow, namespace: default}
spec: {compiledAdapter: slow}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: size, namespace: default}
spec: {compiledTemplate: metric, params: {value: request.size, dimensions: {code: response.code | 0}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: count, namespace: default}
spec: {compiledTemplate: metric, params: {value: '1', dimensions: {code: response.code | 0}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: both, namespace: default}
spec:
  match: (request.path | "/") != "/quiet"
  actions: [{handler: slow, instances: [ask, size, count]}]
"""


class Inside:
    """A Mixer's dispatch, without servers."""

    def __init__(self, metrics: MixerMetrics, *texts: str) -> None:
        self.slow = Slow()
        self.metrics = metrics
        failures = Failures(metrics)
        self.checks, self.reports = CheckDispatcher(failures), ReportDispatcher(failures)
        self.swap = Swap("istio-system")
        self.put(*texts)

    def put(self, *texts: str) -> DispatchTable:
        adapters = {**load_adapters(), "slow": self.slow}
        return self.swap.put(configured(*texts, adapters=adapters))

    @property
    def table(self) -> DispatchTable:
        assert self.swap.table is not None
        return self.swap.table

    def ask(self, *bags: dict[str, object], namespace: str = "default") -> list[CheckResult | str]:
        """The decisions that have come so far, in the order in which they came."""
        decided: list[CheckResult | str] = []
        self.checks.dispatch(self.table, [Question(lambda _: namespace, bag, decided.append) for bag in bags])
        return decided

    def tell(self, bags: list[dict[str, object]], namespace: str = "default") -> list[str]:
        """What went wrong with a report."""
        wrong: list[str] = []
        self.reports.dispatch(self.table, bags, lambda _: namespace, wrong.extend)
        return wrong

    def count(self, counter: Any) -> int:
        return int(sum(sample.value for sample in counter.collect()[0].samples if sample.name.endswith("_total")))


@pytest.fixture
def inside(metrics: MixerMetrics) -> Inside:
    return Inside(metrics, SLOW)


def test_without_rules_everything_passes(metrics: MixerMetrics) -> None:
    assert Inside(metrics).ask({}) == [UNOPPOSED]


def test_a_rule_denies_what_it_matches(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, deny('source.workload.name == "reviews-v2"'))
    assert inside.ask({"source.workload.name": "reviews-v2"}) == [
        CheckResult(7, "closed.default:closed today", 5.0, 1000)
    ]
    assert inside.ask({"source.workload.name": "reviews-v3"}) == [UNOPPOSED]


def test_a_match_that_cannot_be_judged_does_not_hold(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, deny('source.workload.name == "reviews-v2"'))
    assert inside.ask({}) == [UNOPPOSED]
    assert inside.count(metrics.match_errors) == 1


NAMESPACES = [("default", True), ("elsewhere", False), ("", False)]


@pytest.mark.parametrize(("namespace", "denied"), NAMESPACES)
def test_a_rule_concerns_its_namespace(metrics: MixerMetrics, namespace: str, denied: bool) -> None:
    (decision,) = Inside(metrics, deny("")).ask({}, namespace=namespace)
    assert isinstance(decision, CheckResult)
    assert decision.ok is not denied


@pytest.mark.parametrize("namespace", ["default", "elsewhere"])
def test_a_rule_of_the_default_namespace_concerns_all(metrics: MixerMetrics, namespace: str) -> None:
    text = deny("").replace("namespace: default", "namespace: istio-system")
    (decision,) = Inside(metrics, text).ask({}, namespace=namespace)
    assert decision == CheckResult(7, "closed.istio-system:closed today", 5.0, 1000)


def test_a_handler_gets_a_batch_once_and_may_answer_later(inside: Inside) -> None:
    decided = inside.ask({}, {"request.path": "/quiet"}, {})
    assert decided == [UNOPPOSED], "nobody is asked about the quiet one"
    assert [len(batch) for batch in inside.slow.batches] == [2]
    assert inside.table.open_calls == 2
    first, second = inside.slow.kept
    second.answer(NO)
    first.answer(CheckResult(0, "", 9, 9))
    assert decided[1:] == [CheckResult(7, "slow.default:no", 5.0, 1000), CheckResult(0, "", 9, 9)]
    assert inside.table.open_calls == 0


def test_an_answer_counts_once(inside: Inside) -> None:
    decided = inside.ask({})
    (call,) = inside.slow.kept
    call.answer(NO)
    call.answer(DEFAULT)
    call.fail("late")
    assert len(decided) == 1


def test_a_handler_that_cannot_say_fails_the_check(inside: Inside) -> None:
    decided = inside.ask({})
    inside.slow.kept[0].fail("Redis is away")
    assert decided == ["Redis is away"]


def test_a_handler_that_raises_fails_its_checks_and_no_others(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, SLOW, deny("").replace("name: ask", "name: other").replace("[ask]", "[other]"))
    inside.slow.raises = RuntimeError("broken")
    assert inside.ask({}) == ["handler slow.handler.default failed: RuntimeError"]
    assert inside.count(metrics.handler_errors) == 1
    (decision,) = inside.ask({"request.path": "/quiet"})
    assert isinstance(decision, CheckResult)
    assert decision.code == 7


def values(inside: Inside) -> list[dict[str, list[Any]]]:
    return [{batch.instance.name: list(batch.rows) for batch in report} for report in inside.slow.reports]


def test_a_message_becomes_one_call_of_each_handler(inside: Inside) -> None:
    bags = [{"request.size": 1, "response.code": 200}, {"request.size": 2}, {"request.path": "/quiet"}]
    inside.tell(bags)
    assert values(inside) == [
        {
            "size.instance.default": [(1, None, (200,), ()), (2, None, (0,), ())],
            "count.instance.default": [(1, None, (200,), ()), (1, None, (0,), ())],
        }
    ]


def test_a_row_that_cannot_be_made_is_left_out_and_counted(inside: Inside, metrics: MixerMetrics) -> None:
    inside.tell([{}, {"request.size": 3}])
    assert values(inside)[0]["size.instance.default"] == [(3, None, (0,), ())]
    assert len(values(inside)[0]["count.instance.default"]) == 2
    assert inside.count(metrics.instance_errors) == 1


def test_where_no_row_can_be_made_the_handler_is_not_called(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, SLOW.replace("[ask, size, count]", "[ask, size]"))
    wrong = inside.tell([{}, {}])
    assert wrong == ["evaluation failed at [size.instance.default]: lookup failed: 'request.size'"] * 2
    assert inside.slow.reports == []
    assert (inside.count(metrics.instance_errors), inside.count(metrics.handler_errors)) == (2, 0)


def test_a_handler_that_raises_loses_its_report_alone(inside: Inside, metrics: MixerMetrics) -> None:
    inside.slow.raises = ValueError("full")
    inside.tell([{"request.size": 1}])
    assert inside.count(metrics.handler_errors) == 1


def test_nothing_to_report_calls_nobody(inside: Inside) -> None:
    inside.tell([])
    inside.tell([{"request.path": "/quiet"}])
    assert inside.slow.reports == []


# one configuration after the other


async def settled(inside: Inside) -> None:
    """Until handlers that are to be closed have been."""
    await inside.swap._tasks.finish()


async def test_an_unchanged_handler_stays_and_a_changed_one_is_built_before_the_old_is_closed(inside: Inside) -> None:
    inside.put(SLOW, deny(""))
    assert (inside.slow.built, inside.slow.closed) == (1, 0)
    inside.put(SLOW.replace("compiledAdapter: slow", "compiledAdapter: slow, params: {valid_use_count: 3}"))
    assert (inside.slow.built, inside.slow.closed) == (2, 0)
    await settled(inside)
    assert inside.slow.closed == 1
    await inside.swap.stop()
    assert inside.slow.closed == 2


async def test_a_check_keeps_its_handler_until_it_is_answered(inside: Inside) -> None:
    import asyncio

    decided = inside.ask({})
    inside.put()
    await asyncio.sleep(0.01)
    assert inside.slow.closed == 0
    inside.slow.kept[0].answer(NO)
    async with asyncio.timeout(5):
        while not inside.slow.closed:
            await asyncio.sleep(0)
    assert decided == [CheckResult(7, "slow.default:no", 5.0, 1000)]
    await inside.swap.stop()


@pytest.mark.parametrize("error", [ValueError("the backend's name is empty"), RuntimeError("a bug")])
def test_a_handler_that_cannot_be_built_is_a_problem_of_its_own(metrics: MixerMetrics, error: Exception) -> None:
    inside = Inside(metrics)
    inside.slow.raises = error
    other = deny("").replace("name: ask", "name: other").replace("[ask]", "[other]")
    inside.put(SLOW, other)
    ((key, (problem,)),) = inside.swap.problems.items()
    assert (key.name, problem.code) == ("slow", "not-built")
    assert str(error) in problem.text
    (decision,) = inside.ask({})
    assert decision == CheckResult(7, "closed.default:closed today", 5.0, 1000)


async def test_while_a_change_cannot_be_built_the_handler_before_goes_on(inside: Inside) -> None:
    inside.put(SLOW, deny(""))
    changed = SLOW.replace("compiledAdapter: slow", "compiledAdapter: slow, params: {valid_use_count: 3}")
    inside.slow.raises = ValueError("its port is taken")
    inside.put(changed)
    ((key, found),) = inside.swap.problems.items()
    assert (key.name, [each.code for each in found]) == ("slow", ["not-built", "version-kept"])
    inside.slow.raises = None
    inside.ask({})
    inside.slow.kept.pop().answer(NO)  # it is still asked
    assert inside.slow.built == 1
    inside.put(changed, deny("false"))  # any change tries again
    assert dict(inside.swap.problems) == {}
    await settled(inside)
    assert (inside.slow.built, inside.slow.closed) == (2, 1)
    await inside.swap.stop()


async def test_a_handler_before_is_not_given_what_it_does_not_know(inside: Inside) -> None:
    inside.put(SLOW)
    inside.slow.raises = ValueError("its port is taken")
    inside.put(SLOW.replace("value: '1'", "value: '1.5'"))  # another type
    assert [each.code for found in inside.swap.problems.values() for each in found] == ["not-built"]
    await settled(inside)
    assert inside.slow.closed == 1
    await inside.swap.stop()
