"""Checks: from bags to decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from flotilla_mixer.dispatch.decision import Decide, Decision
from flotilla_mixer.dispatch.directives import directive_of
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.generate import Generation
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import DispatchTable, Group, NamespaceTable
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.results import CheckResult

Bag = Mapping[str, object]
Calls = dict[int, tuple[BuiltHandler, list[CheckCall]]]


class Question(NamedTuple):
    """A bag to decide on. `namespace` says whose rules hold for it: it is asked again after attributes were added."""

    namespace: Callable[[Bag], str]
    bag: Bag
    decide: Decide


class CheckDispatcher:
    """Asks handlers about a batch of bags: each handler is called once for the whole batch."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(self, table: DispatchTable, asked: Sequence[Question]) -> None:
        """Decide each. A decision may come before this returns."""
        ready = []
        for question in asked:
            table.call_opens()
            closing = question._replace(decide=partial(_close, table, question.decide))
            generate = table.of(question.namespace(question.bag)).generate
            if generate:
                Generation(question.bag, self._failures, partial(self._generated, table, closing)).run(generate)
            else:
                ready.append(closing)
        if ready:
            self._decide(table, ready)

    def _generated(self, table: DispatchTable, question: Question, outcome: Bag | str) -> None:
        if isinstance(outcome, str):
            question.decide(f"preprocessing attributes failed: {outcome}")
        else:
            self._decide(table, [question._replace(bag=outcome)])

    def _decide(self, table: DispatchTable, asked: Sequence[Question]) -> None:
        calls: Calls = {}
        decisions = []
        for namespace, bag, decide in asked:
            rules = table.of(namespace(bag))
            decision = Decision(partial(self._direct, rules, bag, decide) if rules.directives else decide)
            decisions.append(decision)
            for group in rules.check:
                if self._failures.holds(group, bag):
                    self._ask(group, bag, decision, calls)
        for built, each in calls.values():
            self._call(built, each)
        for decision in decisions:
            decision.done()

    def _direct(self, rules: NamespaceTable, bag: Bag, decide: Decide, outcome: CheckResult | str) -> None:
        """What may pass gets what rules say of its headers."""
        if not isinstance(outcome, str) and outcome.ok:
            outcome = replace(outcome, directive=directive_of(rules.directives, bag, self._failures))
        decide(outcome)

    def _ask(self, group: Group, bag: Bag, decision: Decision, calls: Calls) -> None:
        for target in group.targets:
            display = target.handler.config.display
            for instance in target.instances:
                try:
                    row = instance.fields(bag) + instance.maps(bag)
                except EvaluationError as error:
                    decision.fail(self._failures.row(instance.spec.name, error))
                    continue
                decision.expect()
                call = CheckCall(instance.spec, row, partial(decision.take, display))
                calls.setdefault(id(target.handler), (target.handler, []))[1].append(call)

    def _call(self, built: BuiltHandler, calls: list[CheckCall]) -> None:
        try:
            built.handler.check(calls)  # type: ignore[attr-defined]  # its adapter says that it has it
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not take the others' calls
            text = self._failures.handler(built.config.name, error)
            for call in calls:
                call.fail(text)


def _close(table: DispatchTable, decide: Decide, outcome: CheckResult | str) -> None:
    table.call_ends()
    decide(outcome)
