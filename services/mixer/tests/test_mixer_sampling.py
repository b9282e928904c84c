"""Rules that report a part of their calls."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import count
from random import Random
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.configuration.last_good import LastGood
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.configuration.sampling import RandomSample, RateSample, Sampler
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny, problems, read_objects
from flotilla_shared.runtime.metrics import ServiceMetrics

RULE = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: all, namespace: default}
spec: {compiledAdapter: counting}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: seen, namespace: default}
spec: {compiledTemplate: reportnothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: seen, namespace: default}
spec:
  match: request.method == "GET"
  sampling: SAMPLING
  actions: [{handler: all, instances: [seen]}]
"""
IDS = [str(uuid.UUID(int=Random(number).getrandbits(128))) for number in range(10_000)]


def bags(number: int, **more: object) -> list[dict[str, object]]:
    """So many calls, each with an id as Envoy makes them."""
    return [{"request.method": "GET", "request.id": each, **more} for each in IDS[:number]]


class Counting:
    """An adapter that counts what it is told."""

    name, templates, folder = "counting", frozenset(("reportnothing",)), None

    def __init__(self) -> None:
        self.rows = 0

    def defaults(self) -> Any:
        return Empty()

    def validate(self, *_: Any) -> list[Any]:
        return []

    def build(self, *_: Any) -> Counting:
        return self

    def report(self, batches: Iterable[Any]) -> None:
        self.rows += sum(len(batch.rows) for batch in batches)

    def close(self) -> None:
        pass


def reported(sampling: str, told: list[dict[str, object]], options: Options | None = None) -> int:
    """How many of these are reported."""
    adapter = Counting()
    configuration = configured(RULE.replace("SAMPLING", sampling), adapters={"counting": adapter}, options=options)
    assert problems(configuration) == []
    table = Swap("istio-system").put(configuration)
    failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
    ReportDispatcher(failures).dispatch(table, told, lambda _: "default")
    return adapter.rows


SHARES = [
    ("{random: {percentSampled: {numerator: 100}}}", 1.0),
    ("{random: {percentSampled: {numerator: 25}}}", 0.25),
    ("{random: {percentSampled: {numerator: 25, denominator: TEN_THOUSAND}}}", 0.0025),
    ("{random: {percentSampled: {numerator: 0}}}", 0.0),
    ("{random: {}}", 0.0),  # a percentage that is not given is 0
    ("{random: {attributeExpression: request.size | 0, percentSampled: {numerator: 100}}}", 0.5),
    ("{random: {attributeExpression: response.size, percentSampled: {numerator: 100}}}", 0.0),  # not there
    ("{}", 1.0),
]


@pytest.mark.parametrize(("sampling", "share"), SHARES)
def test_a_share_is_reported(sampling: str, share: float) -> None:
    found = reported(sampling, bags(10_000, **{"request.size": 50}))
    assert found == pytest.approx(10_000 * share, rel=0.1)


def test_one_id_is_chosen_alike_by_every_rule_and_every_mixer() -> None:
    sampling = "{random: {percentSampled: {numerator: 30}}}"
    told = bags(300)
    assert reported(sampling, told) == reported(sampling, told)
    for bag in told[:50]:
        assert reported(sampling, [bag] * 4) in (0, 4)
    by_header = [{"request.method": "GET", "request.headers": {"x-request-id": each["request.id"]}} for each in told]
    assert reported(sampling, by_header) == reported(sampling, told)


def test_what_more_calls_take_is_taken_by_a_larger_share_too() -> None:
    few, many = ({bag["request.id"] for bag in bags(500) if RandomSample(share, 100).takes(bag)} for share in (10, 40))
    assert few < many


IDENTIFIERS = [
    ("0000000a-1111-4111-8111-111111111111", 10),  # the beginning of Envoy's id, as Envoy takes it
    ("ffffffff-1111-4111-8111-111111111111", 0xFFFFFFFF % 100),
]


@pytest.mark.parametrize(("identifier", "place"), IDENTIFIERS)
def test_the_place_of_an_id_is_envoys(identifier: str, place: int) -> None:
    bag = {"request.id": identifier}
    assert not RandomSample(place, 100).takes(bag)
    assert RandomSample(place + 1, 100).takes(bag)


def test_an_id_of_another_kind_has_its_place_too() -> None:
    taken = [RandomSample(50, 100).takes({"request.id": f"call {number}"}) for number in range(1000)]
    assert 400 < sum(taken) < 600
    assert taken[0] is RandomSample(50, 100).takes({"request.id": "call 0"})


@pytest.mark.parametrize("independent", [False, True])
def test_without_an_id_chance_decides(independent: bool) -> None:
    chances = iter([0.1, 0.3, 0.7])
    sample = RandomSample(30, 100, independent=independent, chance=lambda: next(chances))
    bag = {"request.id": IDS[0]} if independent else {}
    assert [sample.takes(bag) for _ in range(3)] == [True, False, False]


def test_of_each_window_the_first_and_then_one_of_so_many() -> None:
    now = 0.0
    sample = RateSample(10, 3, 4, clock=lambda: now)
    assert [sample.takes({}) for _ in range(12)] == [True] * 3 + [False, False, False, True] * 2 + [False]
    now = 9.9
    assert not sample.takes({})
    now = 10.0
    assert [sample.takes({}) for _ in range(4)] == [True] * 3 + [False]
    now = 25.0  # a window begins with a call, not at a round time
    assert sample.takes({})
    now = 34.9
    assert [sample.takes({}) for _ in range(3)] == [True, True, False]


def test_a_rate_is_counted_in_what_the_rule_holds_for() -> None:
    sampling = "{rateLimit: {samplingDuration: 3600s, maxUnsampledEntries: 5, samplingRate: 10}}"
    others: list[dict[str, object]] = [{"request.method": "PUT"}] * 50
    assert reported(sampling, others + bags(45) + others) == 5 + 4


def test_both_ways_at_once_must_take_a_call() -> None:
    both = Sampler((RandomSample(100, 100), RateSample(60, 1, 2, clock=lambda: 0)))
    assert [both.within(None)({}) for _ in range(5)] == [True, False, True, False, True]
    none = Sampler((RandomSample(0, 100), RateSample(60, 1, 1, clock=lambda: 0)))
    assert [none.within(None)({}) for _ in range(3)] == [False] * 3


def test_as_14_did_everything_is_reported() -> None:
    assert reported("{random: {percentSampled: {numerator: 0}}}", bags(10), Options(sampling=False)) == 10


def test_a_rule_goes_on_counting_when_something_else_changes() -> None:
    options, adapter = Options(), Counting()
    rule = RULE.replace("SAMPLING", "{rateLimit: {samplingDuration: 3600s, maxUnsampledEntries: 2, samplingRate: 100}}")
    failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
    swap = Swap("istio-system")
    for number in count():
        text = rule.replace("maxUnsampledEntries: 2", "maxUnsampledEntries: 3") if number == 3 else rule
        other = "---\napiVersion: config.istio.io/v1alpha2\nkind: instance\nspec: {compiledTemplate: checknothing}\n"
        texts = (text, f"{other}metadata: {{name: other-{number}}}\n")
        table = swap.put(configured(*texts, adapters={"counting": adapter}, options=options))
        ReportDispatcher(failures).dispatch(table, bags(5), lambda _: "default")
        if number == 3:
            break
        assert adapter.rows == 2
    assert adapter.rows == 2 + 3  # what says something else begins anew


def test_a_rule_whose_update_is_at_fault_goes_on_counting() -> None:
    """Each build of the wrong version is followed by one with the version before."""
    options, adapter, last_good = Options(), Counting(), LastGood()
    rule = RULE.replace("SAMPLING", "{rateLimit: {samplingDuration: 3600s, maxUnsampledEntries: 2, samplingRate: 100}}")
    failures, swap = Failures(MixerMetrics(ServiceMetrics("mixer"))), Swap("istio-system")
    for text in (
        rule,
        rule.replace("request.method", "request.mehtod"),
        rule.replace("request.method", "request.metohd"),
        rule,
    ):
        objects = read_objects(text)
        configuration = last_good.build(
            objects, lambda found: build_configuration(found, {"counting": adapter}, "cluster.local", options=options)
        )
        ReportDispatcher(failures).dispatch(swap.put(configuration), bags(5), lambda _: "default")
    assert adapter.rows == 2


def test_a_check_is_never_sampled() -> None:
    text = deny("true").replace("  actions:", "  sampling: {random: {percentSampled: {numerator: 0}}}\n  actions:")
    answers: list[Any] = []
    question = Question(lambda _: "default", {}, answers.append)
    table = Swap("istio-system").put(configured(text))
    CheckDispatcher(Failures(MixerMetrics(ServiceMetrics("mixer")))).dispatch(table, [question] * 5)
    assert [each.code for each in answers] == [7] * 5


WRONG = [
    ("{random: {percentSampled: {numerator: 101}}}", "spec.sampling.random.percentSampled"),
    ("{random: {attributeExpression: request.siez}}", "spec.sampling.random.attributeExpression"),
    ("{random: {attributeExpression: request.method}}", "spec.sampling.random.attributeExpression"),
    ("{rateLimit: {samplingRate: 1}}", "spec.sampling.rateLimit.samplingDuration"),
    ("{rateLimit: {samplingDuration: 1s}}", "spec.sampling.rateLimit.samplingRate"),
    (
        "{rateLimit: {samplingDuration: 1s, samplingRate: 1, maxUnsampledEntries: -1}}",
        "spec.sampling.rateLimit.maxUnsampledEntries",
    ),
]


@pytest.mark.parametrize(("sampling", "field"), WRONG)
def test_what_is_wrong_is_told_and_everything_reported(sampling: str, field: str) -> None:
    configuration = configured(RULE.replace("SAMPLING", sampling), adapters={"counting": Counting()})
    assert problems(configuration) == [("rule", "seen", field, "bad-sampling")]
    (action,) = configuration.actions
    assert action.sampler is None
