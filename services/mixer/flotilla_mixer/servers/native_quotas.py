"""The quotas of a Check of the native API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.namespace import identity_namespace
from flotilla_mixer.attributes.request import Asked, RequestBag
from flotilla_mixer.dispatch.quota import QuotaDispatcher, Wanted
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.results import NO_OPINION, QuotaResult
from flotilla_mixer.servers.native_answers import quota_result
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckResponse
from flotilla_shared.runtime.serving import Call

Bag = Mapping[str, object]


class QuotasOfCheck:
    """One Check whose precondition holds: each quota is asked for, and the answer waits for all.

    `precondition` is the answer without them. `separate`: what comes without an identifier is a call of its own; else all
    such calls for one quota are one, as in 1.4.
    """

    def __init__(
        self,
        dispatcher: QuotaDispatcher,
        table: DispatchTable,
        call: Call,
        request: Any,
        bag: RequestBag,
        precondition: bytes,
        *,
        separate: bool = True,
    ) -> None:
        self._dispatcher = dispatcher
        self._table = table
        self._call = call
        self._request = request
        self._bag = bag
        self._precondition = precondition
        self._separate = separate
        self._results: dict[str, QuotaResult] = {}
        self._asked: dict[str, Asked] = {}
        self._waiting = 1

    def ask(self) -> None:
        """Ask all handlers concerned; the call is answered when they have answered, perhaps before this returns."""
        self._table.call_opens()
        for name, wanted in self._request.quotas.items():
            self._waiting += 1
            self._bag.begin_quota()
            rules = self._table.of(identity_namespace(self._bag))
            question = Wanted(name, wanted.amount, wanted.best_effort, self._identifier(name))
            self._dispatcher.dispatch(rules, self._bag, question, partial(self._granted, name))
            self._asked[name] = dict(self._bag.asked)
        self._done()

    def _identifier(self, name: str) -> str:
        """Empty for a call that cannot be a repetition."""
        given: str = self._request.deduplication_id
        return given + name if given or not self._separate else ""

    def _granted(self, name: str, result: QuotaResult) -> None:
        self._results[name] = result
        self._done()

    def _done(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        self._table.call_ends()
        response, count = CheckResponse(), self._request.global_word_count
        for name, asked in self._asked.items():
            result = self._results.get(name, NO_OPINION)
            response.quotas[name].CopyFrom(quota_result(result, asked, global_dictionary(), count))
        self._call.answer(self._precondition + response.SerializeToString())
