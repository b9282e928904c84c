"""Checks: from bags to decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import DispatchTable, Group
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.results import DEFAULT, UNOPPOSED, CheckResult
from flotilla_shared.runtime.logs import get_logger

Bag = Mapping[str, object]
Decide = Callable[[CheckResult | str], None]

_log = get_logger(__name__)


class Decision:
    """One Check under way: it ends when the last handler has answered. `decide` hears the end, once: a result, or
    the text of a failure.
    """

    __slots__ = ("_answers", "_decide", "_failure", "_waiting")

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._answers: list[tuple[str, CheckResult]] = []
        self._failure = ""
        self._waiting = 1  # of the dispatcher itself, until it has asked everybody

    def expect(self) -> None:
        self._waiting += 1

    def take(self, handler: str, outcome: CheckResult | str) -> None:
        """`handler` is the name that callers read."""
        if isinstance(outcome, str):
            self._failure = self._failure or outcome
        else:
            self._answers.append((handler, outcome))
        self.done()

    def fail(self, text: str) -> None:
        self._failure = self._failure or text

    def done(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._decide(self._failure or combine(self._answers))


def combine(answers: Iterable[tuple[str, CheckResult]]) -> CheckResult:
    """One result of many, in the order in which they came (mixer.md 7.2).

    The code is that of the first failure, the message that of every failure behind its handler's name, and the
    validity the shortest. Nobody's opinion is OK for a minute.
    """
    total, messages = DEFAULT, []
    for handler, result in answers:
        if not result.ok:
            messages.append(f"{handler}:{result.message}")
        if result == DEFAULT:
            continue
        if total == DEFAULT:
            total = result
            continue
        total = CheckResult(
            total.code or result.code,
            "",
            min(total.valid_seconds, result.valid_seconds),
            min(total.valid_uses, result.valid_uses),
        )
    if total == DEFAULT:
        return UNOPPOSED
    return CheckResult(total.code, ", ".join(messages), total.valid_seconds, total.valid_uses)


class CheckDispatcher:
    """Asks handlers about a batch of bags: each handler is called once for the whole batch."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(self, table: DispatchTable, asked: Sequence[tuple[str, Bag, Decide]]) -> None:
        """Decide each (namespace, bag, decide). A decision may come before this returns."""
        calls: dict[int, tuple[BuiltHandler, list[CheckCall]]] = {}
        decisions = []
        for namespace, bag, decide in asked:
            table.call_opens()
            decision = Decision(partial(_close, table, decide))
            decisions.append(decision)
            for group in table.of(namespace).check:
                if self._failures.holds(group, bag):
                    self._ask(group, bag, decision, calls)
        for built, each in calls.values():
            self._call(built, each)
        for decision in decisions:
            decision.done()

    def _ask(self, group: Group, bag: Bag, decision: Decision, calls: dict[int, Any]) -> None:
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
