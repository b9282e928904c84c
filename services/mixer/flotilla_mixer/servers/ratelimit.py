"""envoy.service.ratelimit.v3.RateLimitService: each descriptor is a quota call (docs/adr/0165)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import grpc
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest
from google.protobuf.message import DecodeError

from flotilla_mixer.attributes.ratelimit import DESCRIPTOR, Bag, caller_bag, descriptor_of
from flotilla_mixer.attributes.trust import Disbelief, Trust, find_reporter
from flotilla_mixer.attributes.workloads import Workload
from flotilla_mixer.dispatch.quota import QuotaDispatcher, Wanted
from flotilla_mixer.dispatch.table import DispatchTable, NamespaceTable
from flotilla_mixer.kit.results import QuotaResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.bounds import TooMuch, check_descriptors
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.ratelimit_answers import OVER_LIMIT, Asked, is_over, response_of
from flotilla_mixer.servers.said import said_by_proxy
from flotilla_shared.runtime.serving import Call

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
MOST_HITS = 2**63 - 1  # the largest amount of a quota
# google.rpc codes of quotas that nobody could count.
UNANSWERED = {14: grpc.StatusCode.UNAVAILABLE, 13: grpc.StatusCode.INTERNAL}


class RateLimits:
    """The batch function. `table` gives the newest dispatch table, or None until there is one."""

    def __init__(
        self,
        table: Callable[[], DispatchTable | None],
        dispatcher: QuotaDispatcher,
        metrics: MixerMetrics,
        gate: Gate,
    ) -> None:
        self._table = table
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._gate = gate

    def should_rate_limit(self, calls: Sequence[Call]) -> None:
        """Answer each call, now or when its handlers have answered."""
        table = self._table()
        for call in self._gate.checks(calls):
            if table is None:
                call.fail(grpc.StatusCode.UNAVAILABLE, "Mixer is not ready: it has no configuration yet")
            else:
                self._ask(table, call)

    def _ask(self, table: DispatchTable, call: Call) -> None:
        reporter = find_reporter(table.view, call.peer.ip, call.peer.identity)
        if reporter is None:
            self._metrics.disbelieve(Disbelief.REPORTER)
            text = f"no workload at {call.peer.ip or 'this address'} has the identity {call.peer.identity}"
            call.fail(grpc.StatusCode.PERMISSION_DENIED, text)
            return
        try:
            request = _read(call.message)
        except (DecodeError, TooMuch, ValueError) as error:
            text = "this is no RateLimitRequest" if isinstance(error, DecodeError) else str(error)
            call.fail(grpc.StatusCode.INVALID_ARGUMENT, text)
            return
        self._limited(table, call, request, reporter)

    def _limited(self, table: DispatchTable, call: Call, request: Any, reporter: Workload) -> None:
        static, direction = said_by_proxy(call)
        bag = caller_bag(request.domain, static, direction, Trust(table.view, reporter, self._metrics.disbelieve))
        decide = partial(self._answer, call, request.domain)
        _DescriptorsOfCall(self._dispatcher, table, decide).ask(request, bag, table.of(reporter.namespace))

    def _answer(self, call: Call, domain: str, asked: Sequence[Asked]) -> None:
        """What is over is over, whatever else could not be counted."""
        if not any(map(is_over, asked)):
            for each in asked:
                code = UNANSWERED.get(each.result.code)
                if code is not None:
                    self._metrics.rate_limits.labels(str(code.name)).inc()
                    call.fail(code, f"the quota {domain} cannot be counted: {each.result.message}")
                    return
        response = response_of(domain, asked)
        self._metrics.rate_limits.labels("OVER_LIMIT" if response.overall_code == OVER_LIMIT else "OK").inc()
        call.answer(response.SerializeToString())


def _read(message: bytes) -> Any:
    """Raises DecodeError, TooMuch, or ValueError with a sentence without its full stop."""
    request = RateLimitRequest.FromString(message)
    if not request.domain:
        raise ValueError("a rate limit needs a domain: it is the name of the quota that is asked for")
    check_descriptors(len(request.descriptors))
    return request


class _DescriptorsOfCall:
    """The descriptors of one call, all asked at once. `decide` hears all ends, once, in their order."""

    def __init__(
        self, dispatcher: QuotaDispatcher, table: DispatchTable, decide: Callable[[Sequence[Asked]], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._table = table
        self._decide = decide
        self._asked: list[Asked] = []
        self._waiting = 1

    def ask(self, request: Any, bag: Bag, rules: NamespaceTable) -> None:
        self._table.call_opens()
        self._asked = [Asked(_hits(descriptor, request)) for descriptor in request.descriptors]
        for asked, descriptor in zip(self._asked, request.descriptors, strict=True):
            self._waiting += 1
            # Less is welcome: what a request uses is used, though it is over, as with a counter.
            wanted = Wanted(request.domain, asked.hits, True, "", True)
            whole = {**bag, DESCRIPTOR: descriptor_of(descriptor.entries)}
            self._dispatcher.dispatch(rules, whole, wanted, partial(self._heard, asked))
        self._done()

    def _heard(self, asked: Asked, result: QuotaResult) -> None:
        asked.result = result
        self._done()

    def _done(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._table.call_ends()
            self._decide(self._asked)


def _hits(descriptor: Any, request: Any) -> int:
    """What a descriptor says comes first, and may be 0: then it is looked at and nothing used."""
    if descriptor.HasField("hits_addend"):
        return min(int(descriptor.hits_addend.value), MOST_HITS)
    return int(request.hits_addend) or 1
