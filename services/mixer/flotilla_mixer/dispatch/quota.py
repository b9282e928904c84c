"""Quotas: how much of one a caller gets (mixer.md 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, NamedTuple

from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.table import NamespaceTable
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import QuotaCall
from flotilla_mixer.kit.results import GRANT_SECONDS, NO_OPINION, QuotaResult

Bag = Mapping[str, object]
Granted = Callable[[QuotaResult], None]
FAILED = QuotaResult(0, 0.0, 13, "a handler failed")


class Wanted(NamedTuple):
    """What a caller asks of one quota."""

    name: str
    amount: int
    best_effort: bool
    deduplication_id: str
    tells: bool = False
    """It wants to hear what is left, and all that limit it must let it pass."""


class QuotaDispatcher:
    """Asks all handlers that limit a quota; the first that has an opinion is heard, or the strictest where the caller
    wants to be told what is left.
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(self, rules: NamespaceTable, bag: Bag, wanted: Wanted, granted: Granted) -> None:
        """`granted` hears the result, once, perhaps before this returns. A quota that nobody limits is granted in
        full; one whose handler fails is refused: nothing, with status OK, as 1.4's clients know it.
        """
        total = _Strictest(granted) if wanted.tells else _Total(granted)
        destinations = instances = 0
        for group in rules.quotas.get(wanted.name.lower(), ()):
            if not self._failures.holds(group, bag):
                continue
            destinations += len(group.targets)
            instances += group.instances
            for target in group.targets:
                for instance in target.instances:
                    self._ask(target.handler, instance, bag, wanted, total)
        self._failures.request(destinations, instances)
        if not instances:
            total.take("", QuotaResult(wanted.amount, GRANT_SECONDS), counted=False)
        total.done()

    def _ask(self, built: Any, instance: Any, bag: Bag, wanted: Wanted, total: _Total) -> None:
        try:
            row = instance.row(bag)
        except EvaluationError as error:
            self._failures.row(instance.spec.name, error)
            total.failed = True
            return
        total.waiting += 1
        call = QuotaCall(
            instance.spec,
            row,
            partial(total.take, built.config.display),
            wanted.amount,
            wanted.best_effort,
            wanted.deduplication_id,
            wanted.tells,
        )
        try:
            built.handler.quota([call])
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not end the process
            call.fail(self._failures.handler(built.config.name, error))


class _Total:
    """What the handlers said so far."""

    def __init__(self, granted: Granted) -> None:
        self._granted = granted
        self._result = NO_OPINION
        self.failed = False
        self.waiting = 1

    def take(self, handler: str, outcome: QuotaResult | str, *, counted: bool = True) -> None:
        if isinstance(outcome, str):
            self.failed = True
        elif self._result == NO_OPINION and outcome != NO_OPINION:
            self._result = _named(handler, outcome)
        if counted:
            self.done()

    def done(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self._granted(self._end())

    def _end(self) -> QuotaResult:
        return NO_OPINION if self.failed else self._result


class _Strictest(_Total):
    """Hears all: who was granted least, and of these who has least left. A handler that fails is an error."""

    def __init__(self, granted: Granted) -> None:
        super().__init__(granted)
        self._heard: list[QuotaResult] = []

    def take(self, handler: str, outcome: QuotaResult | str, *, counted: bool = True) -> None:
        if isinstance(outcome, QuotaResult):
            self._heard.append(_named(handler, outcome))
        super().take(handler, outcome, counted=counted)

    def _end(self) -> QuotaResult:
        if self.failed:
            return FAILED
        return min(self._heard, key=_severity, default=NO_OPINION)


def _named(handler: str, result: QuotaResult) -> QuotaResult:
    """What is wrong says whose word it is."""
    return replace(result, message=f"{handler}:{result.message}") if result.code else result


def _severity(result: QuotaResult) -> tuple[int, float]:
    return result.amount, inf if result.room is None else result.room.left
