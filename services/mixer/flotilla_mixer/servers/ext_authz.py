"""envoy.service.auth.v3.Authorization: a batch of Checks becomes one dispatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from google.protobuf.message import DecodeError

from flotilla_mixer.attributes.check import Bag, check_bag
from flotilla_mixer.attributes.trust import Disbelief, Trust, find_reporter
from flotilla_mixer.debug.tap import Tap
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.results import UNCHANGED, CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.answers import code_name, directed_bytes, response_bytes, told_bytes
from flotilla_mixer.servers.envoy_quotas import QuotasOfCall
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.said import said_by_proxy
from flotilla_shared.runtime.serving import Call

METHOD = "/envoy.service.auth.v3.Authorization/Check"


class ExtAuthz:
    """The batch function. `table` gives the newest dispatch table, or None until there is one."""

    def __init__(
        self,
        table: Callable[[], DispatchTable | None],
        dispatcher: CheckDispatcher,
        quotas: QuotaDispatcher,
        metrics: MixerMetrics,
        gate: Gate,
        tap: Tap | None = None,
    ) -> None:
        self._table = table
        self._tap = tap or Tap()
        self._dispatcher = dispatcher
        self._quotas = quotas
        self._metrics = metrics
        self._gate = gate

    def check(self, calls: Sequence[Call]) -> None:
        """Answer each call, now or when its handlers have answered."""
        calls = self._gate.checks(calls)
        table = self._table()
        if table is None:
            for call in calls:
                call.fail(grpc.StatusCode.UNAVAILABLE, "Mixer is not ready: it has no configuration yet")
            return
        began = time.perf_counter()
        asked = [each for call in calls if (each := self._question(table, call, began)) is not None]
        self._dispatcher.dispatch(table, asked)

    def _question(self, table: DispatchTable, call: Call, began: float) -> Question | None:
        """What to ask about the call; None when it has been refused."""
        reporter = find_reporter(table.view, call.peer.ip, call.peer.identity)
        if reporter is None:
            self._metrics.disbelieve(Disbelief.REPORTER)
            call.fail(
                grpc.StatusCode.PERMISSION_DENIED,
                f"no workload at {call.peer.ip or 'this address'} has the identity {call.peer.identity}",
            )
            return None
        try:
            request = CheckRequest.FromString(call.message)
        except DecodeError:
            call.fail(grpc.StatusCode.INVALID_ARGUMENT, "this is no CheckRequest")
            return None
        trust = Trust(table.view, reporter, self._metrics.disbelieve)
        static, direction = said_by_proxy(call)
        bag = check_bag(request.attributes, static, direction, trust)
        table.configuration.apis.put(bag)

        def answer(outcome: CheckResult | str) -> None:
            if self._tap.open:
                self._tap.check(table, reporter.namespace, bag, outcome)
            self._answer(call, request, outcome, bag, began)

        def decide(outcome: CheckResult | str) -> None:
            if isinstance(outcome, str) or not outcome.ok or direction == "outbound":
                answer(outcome)
                return
            charges = table.configuration.quotas.charges(bag)
            if not charges:
                answer(outcome)
                return
            identifier = request.attributes.request.http.id
            QuotasOfCall(self._quotas, table, answer).ask(charges, bag, reporter.namespace, identifier, outcome)

        return Question(lambda _: reporter.namespace, bag, decide)

    def _answer(self, call: Call, request: CheckRequest, outcome: CheckResult | str, bag: Bag, began: float) -> None:
        if isinstance(outcome, str):
            code = "INTERNAL"
            call.fail(grpc.StatusCode.INTERNAL, outcome)
        else:
            code = "OK" if outcome.ok else code_name(outcome.code)
            told = told_bytes(bag)
            if outcome.directive is UNCHANGED or outcome.directive == UNCHANGED:
                call.answer(response_bytes(outcome) + told)
            else:
                call.answer(directed_bytes(outcome.directive, request.attributes.request.http.headers) + told)
        seconds = time.perf_counter() - began
        self._metrics.checked(code, seconds)
        self._gate.answered(seconds)
