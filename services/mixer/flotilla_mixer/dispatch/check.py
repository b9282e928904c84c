"""Checks: from bags to decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from flotilla_mixer.dispatch.decision import Decide, Decision
from flotilla_mixer.dispatch.directives import directive_of
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.generate import GenerateCalls, Generation, hand_over
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.outputs import Outputs
from flotilla_mixer.dispatch.table import DispatchTable, Group, NamespaceTable
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.results import UNOPPOSED, CheckResult

Bag = Mapping[str, object]
PREPROCESSING = "preprocessing attributes failed"  # how the text of a failure of generators begins, as in 1.4
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
        ready: list[Question] = []
        # Who hears of a generator's answer at once is decided with the others.
        arrived: Callable[[Question], None] = ready.append

        def generated(question: Question, outcome: Bag | str) -> None:
            if isinstance(outcome, str):
                table.call_ends()
                question.decide(f"{PREPROCESSING}: {outcome}")
            else:
                arrived(question if outcome is question.bag else question._replace(bag=outcome))

        calls: GenerateCalls = {}
        generations = []
        for question in asked:
            table.call_opens()
            generate = table.of(question.namespace(question.bag)).generate
            if generate:
                generation = Generation(question.bag, self._failures, partial(generated, question))
                generation.collect(generate, calls)
                generations.append(generation)
            else:
                ready.append(question)
        hand_over(calls, self._failures)
        for generation in generations:
            generation.done()
        together, arrived = ready, partial(self._decide_one, table)
        if together:
            self._decide(table, together)

    def _decide_one(self, table: DispatchTable, question: Question) -> None:
        self._decide(table, [question])

    def _decide(self, table: DispatchTable, asked: Sequence[Question]) -> None:
        calls: Calls = {}
        decisions = []
        for namespace, bag, decide in asked:
            rules = table.of(namespace(bag))
            if not rules.check and not rules.directives:
                table.call_ends()
                self._failures.request(0, 0)
                decide(UNOPPOSED)
                continue
            outputs: Outputs = {}
            decision = Decision(partial(self._decided, table, rules, bag, outputs, decide), outputs)
            decisions.append(decision)
            destinations = instances = 0
            for group in rules.check:
                if self._failures.holds(group, bag):
                    destinations += len(group.targets)
                    instances += group.instances
                    self._ask(group, bag, decision, calls)
            self._failures.request(destinations, instances)
        for built, each in calls.values():
            self._call(built, each)
        for decision in decisions:
            decision.done()

    def _decided(
        self,
        table: DispatchTable,
        rules: NamespaceTable,
        bag: Bag,
        outputs: Outputs,
        decide: Decide,
        outcome: CheckResult | str,
    ) -> None:
        table.call_ends()
        if rules.directives:
            self._direct(rules, bag, outputs, decide, outcome)
        else:
            decide(outcome)

    def _direct(
        self, rules: NamespaceTable, bag: Bag, outputs: Outputs, decide: Decide, outcome: CheckResult | str
    ) -> None:
        """What may pass gets what rules say of its headers."""
        if not isinstance(outcome, str) and outcome.ok:
            outcome = replace(outcome, directive=directive_of(rules.directives, bag, self._failures, outputs))
        decide(outcome)

    def _ask(self, group: Group, bag: Bag, decision: Decision, calls: Calls) -> None:
        for target in group.targets:
            display = target.handler.config.display
            for instance in target.instances:
                try:
                    row = instance.row(bag)
                except EvaluationError as error:
                    decision.fail(self._failures.row(instance.spec.name, error))
                    continue
                decision.expect()
                take = partial(decision.take, display)
                if instance.spec.template.outputs:
                    source = (target.handler.config.key, instance.spec.name)
                    take = partial(decision.take_output, display, source)
                call = CheckCall(instance.spec, row, take)
                calls.setdefault(id(target.handler), (target.handler, []))[1].append(call)

    def _call(self, built: BuiltHandler, calls: list[CheckCall]) -> None:
        try:
            built.handler.check(calls)
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not take the others' calls
            text = self._failures.handler(built.config.name, error)
            for call in calls:
                call.fail(text)
