"""Quotas of a call that Envoy asks about: they are used up inside the Check, one hop (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from flotilla_mixer.dispatch.quota import QuotaDispatcher, Wanted
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.results import CheckResult, QuotaResult

RESOURCE_EXHAUSTED, UNAVAILABLE = 8, 14


class QuotasOfCall:
    """One call that may pass, and what it uses. `decide` hears the end, once: the result, or that quotas are exhausted."""

    def __init__(
        self, dispatcher: QuotaDispatcher, table: DispatchTable, decide: Callable[[CheckResult], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._table = table
        self._decide = decide
        self._exhausted: list[str] = []
        self._waiting = 1

    def ask(
        self,
        charges: Mapping[str, int],
        bag: Mapping[str, object],
        namespace: str,
        identifier: str,
        result: CheckResult,
    ) -> None:
        """`identifier` is the same when Envoy asks once more about one call."""
        self._table.call_opens()
        rules = self._table.of(namespace)
        for name, amount in charges.items():
            self._waiting += 1
            wanted = Wanted(name, amount, False, identifier and identifier + name)
            self._dispatcher.dispatch(rules, bag, wanted, partial(self._granted, name, result))
        self._done(result)

    def _granted(self, name: str, result: CheckResult, granted: QuotaResult) -> None:
        if granted.amount <= 0 and granted.code != UNAVAILABLE:
            self._exhausted.append(name)
        self._done(result)

    def _done(self, result: CheckResult) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        self._table.call_ends()
        if self._exhausted:
            said = f"Quota is exhausted for: {','.join(sorted(self._exhausted))}"
            result = CheckResult(RESOURCE_EXHAUSTED, said)
        self._decide(result)
