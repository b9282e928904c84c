"""Quotas: how much of one a caller gets (mixer.md 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.table import NamespaceTable
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import QuotaCall
from flotilla_mixer.kit.results import GRANT_SECONDS, NO_OPINION, QuotaResult

Bag = Mapping[str, object]
Granted = Callable[[QuotaResult], None]


class Wanted(NamedTuple):
    """What a caller asks of one quota."""

    name: str
    amount: int
    best_effort: bool
    deduplication_id: str


class QuotaDispatcher:
    """Asks all handlers that limit a quota; the first that has an opinion is heard."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(self, rules: NamespaceTable, bag: Bag, wanted: Wanted, granted: Granted) -> None:
        """`granted` hears the result, once, perhaps before this returns. A quota that nobody limits is granted in
        full; one whose handler fails is refused: nothing, with status OK, as 1.4's clients know it.
        """
        total = _Total(granted)
        asked = False
        for group in rules.quotas.get(wanted.name.lower(), ()):
            if not self._failures.holds(group, bag):
                continue
            for target in group.targets:
                for instance in target.instances:
                    asked = True
                    self._ask(target.handler, instance, bag, wanted, total)
        if not asked:
            total.take("", QuotaResult(wanted.amount, GRANT_SECONDS), counted=False)
        total.done()

    def _ask(self, built: Any, instance: Any, bag: Bag, wanted: Wanted, total: _Total) -> None:
        try:
            row = instance.fields(bag) + instance.maps(bag)
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
            said = f"{handler}:{outcome.message}" if outcome.code else outcome.message
            self._result = replace(outcome, message=said)
        if counted:
            self.done()

    def done(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self._granted(NO_OPINION if self.failed else self._result)
