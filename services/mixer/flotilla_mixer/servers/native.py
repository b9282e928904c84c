"""istio.mixer.v1.Mixer: Check and Report as 1.4's proxies and `mixc` speak them (mixer.md 1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from flotilla_mixer.attributes.compressed import AttributesError, overlay
from flotilla_mixer.attributes.decode import decode, whole
from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.namespace import identity_namespace
from flotilla_mixer.attributes.request import ABSENT, SIDES, RequestBag
from flotilla_mixer.attributes.sides import Peek, believed_sides
from flotilla_mixer.attributes.trust import Disbelief, Trust, find_reporter
from flotilla_mixer.attributes.typed import MistypedBag, typed_bag
from flotilla_mixer.attributes.workloads import Workload
from flotilla_mixer.debug.tap import Tap, content_of
from flotilla_mixer.dispatch.check import PREPROCESSING, CheckDispatcher, Question
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.answers import code_name
from flotilla_mixer.servers.bounds import Repeated, TooMuch, check_quotas, check_report
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.native_answers import check_bytes
from flotilla_mixer.servers.native_quotas import QuotasOfCheck
from flotilla_protos.flotilla.mixer.v1.report_pb2 import ReportRequest, ReportSize
from flotilla_protos.istio.mixer.v1 import mixer_pb2
from flotilla_shared.runtime.serving import BatchFunction, Call

CHECK = "/istio.mixer.v1.Mixer/Check"
REPORT = "/istio.mixer.v1.Mixer/Report"
ENTRIES_FIELD: int = ReportRequest.DESCRIPTOR.fields_by_name["attributes"].number
INDEPENDENT = mixer_pb2.ReportRequest.INDEPENDENT_ENCODING
REPORTED: bytes = mixer_pb2.ReportResponse().SerializeToString()

Bag = Mapping[str, object]


class _Refused(Exception):
    """A call that ends with this status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class NativeMixer:
    """The batch functions. `table` gives the newest dispatch table, or None until there is one.

    `as_given`: attributes are taken as they come, whoever sends them. Otherwise the caller is a workload of the mesh,
    and of the two ends of a call only that is taken which it can know. `separate_quota_calls`: those without an
    identifier are not repetitions of one another.
    """

    def __init__(
        self,
        table: Callable[[], DispatchTable | None],
        checks: CheckDispatcher,
        quotas: QuotaDispatcher,
        reports: ReportDispatcher,
        metrics: MixerMetrics,
        *,
        gate: Gate | None = None,
        as_given: bool = False,
        separate_quota_calls: bool = True,
        tap: Tap | None = None,
    ) -> None:
        self._table = table
        self._tap = tap or Tap()
        self._checks = checks
        self._quotas = quotas
        self._reports = reports
        self._metrics = metrics
        self._gate = gate
        self._as_given = as_given
        self._separate = separate_quota_calls
        self._known = global_dictionary()

    def methods(self) -> dict[str, BatchFunction]:
        """What a server registers."""
        return {CHECK: self.check, REPORT: self.report}

    def check(self, calls: Sequence[Call]) -> None:
        """Answer each call, now or when its handlers have answered."""
        if self._gate is not None:
            calls = self._gate.checks(calls)
        began = time.perf_counter()
        asked = []
        for call, table in self._with_table(calls):
            try:
                asked.append(self._question(table, call, began))
            except _Refused as refused:
                call.fail(refused.code, str(refused))
        if asked:
            self._checks.dispatch(asked[0][0], [question for _, question in asked])

    def _with_table(self, calls: Sequence[Call]) -> Iterator[tuple[Call, DispatchTable]]:
        table = self._table()
        for call in calls:
            if table is None:
                call.fail(grpc.StatusCode.UNAVAILABLE, "Mixer is not ready: it has no configuration yet")
            else:
                yield call, table

    def _question(self, table: DispatchTable, call: Call, began: float) -> tuple[DispatchTable, Question]:
        reporter = self._reporter(table, call)
        request: Any = _parsed(mixer_pb2.CheckRequest, call.message)
        self._check_words(request.global_word_count)
        _bounded(check_quotas, len(request.quotas))
        bag = RequestBag(request.attributes, self._known, table.declared)
        if reporter is not None:
            bag.sides = self._sides(table, bag.peek, reporter)
        decide = partial(self._decided, table, call, request, bag, began)
        return table, Question(identity_namespace, bag, decide)

    def _reporter(self, table: DispatchTable, call: Call) -> Workload | None:
        """The workload that calls; None where attributes are taken as given. Raises _Refused."""
        if self._as_given:
            return None
        found = find_reporter(table.view, call.peer.ip, call.peer.identity)
        if found is None:
            self._metrics.disbelieve(Disbelief.REPORTER)
            text = f"no workload at {call.peer.ip or 'this address'} has the identity {call.peer.identity}"
            raise _Refused(grpc.StatusCode.PERMISSION_DENIED, text)
        return found

    def _sides(self, table: DispatchTable, peek: Peek, reporter: Workload) -> dict[str, object]:
        count = self._metrics.disbelieve
        return believed_sides(peek, Trust(table.view, reporter, count), count)

    def _check_words(self, count: int) -> None:
        known = len(self._known)
        if count > known:
            text = f"inconsistent global dictionary versions used: mixer knows {known} words, caller knows {count}"
            raise _Refused(grpc.StatusCode.INTERNAL, text)

    def _decided(
        self, table: DispatchTable, call: Call, request: Any, bag: RequestBag, began: float, outcome: CheckResult | str
    ) -> None:
        seconds = time.perf_counter() - began
        if self._gate is not None:
            self._gate.answered(seconds)
        if isinstance(outcome, str):
            self._metrics.checked("INTERNAL", seconds)
            before = "" if outcome.startswith(PREPROCESSING) else "performing check operation failed: "
            call.fail(grpc.StatusCode.INTERNAL, before + outcome)
            return
        self._metrics.checked("OK" if outcome.ok else code_name(outcome.code), seconds)
        if self._tap.open:
            self._tap.check(table, identity_namespace(content_of(bag)), bag, outcome)
        answer = check_bytes(outcome, bag.asked, self._known, request.global_word_count)
        if outcome.ok and request.quotas:
            QuotasOfCheck(self._quotas, table, call, request, bag, answer, separate=self._separate).ask()
        else:
            call.answer(answer)

    def report(self, calls: Sequence[Call]) -> None:
        """Answer each call when its handlers have taken what it tells."""
        for call in calls:
            if self._gate is None:
                self._take(call)
            else:
                self._gate.report(call, _entries(call), self._take)

    def _take(self, call: Call) -> None:
        for each, table in self._with_table([call]):
            try:
                self._report(table, each)
            except _Refused as refused:
                each.fail(refused.code, str(refused))

    def _report(self, table: DispatchTable, call: Call) -> None:
        reporter = self._reporter(table, call)
        request: Any = _parsed(ReportRequest, call.message)
        self._check_words(request.global_word_count)
        _bounded(check_report, len(request.attributes), len(request.default_words))
        wrong: list[str] = []
        self._metrics.entries.labels("native").inc(len(request.attributes))
        # Each bag is made when the one before it has been told: what is still in the processor's memory is cheap.
        bags: Iterable[Bag] = self._bags(table, request, reporter, wrong)
        if self._tap.open:
            bags = self._tap.reports(table, identity_namespace, bags)
        self._reports.dispatch(table, bags, identity_namespace, partial(_reported, call, wrong))

    def _bags(self, table: DispatchTable, request: Any, reporter: Workload | None, wrong: list[str]) -> Iterator[Bag]:
        """The bags of a report; what cannot be read goes to `wrong`, and the others are reported."""
        independent = request.repeated_attributes_semantics == INDEPENDENT
        so_far: dict[str, object] = {}
        repeated = Repeated()
        for message in request.attributes:
            if not message.words:
                message.words.extend(request.default_words)
            try:
                if independent:
                    content = decode(message, self._known, table.declared)
                else:
                    overlay(so_far, whole(message), self._known)
                    repeated.add(len(so_far))
                    content = typed_bag(dict(so_far), table.declared.types)
            except (AttributesError, DecodeError) as error:
                wrong.append(f"request could not be processed due to invalid attributes: {error}")
                continue
            except TooMuch as error:
                wrong.append(str(error))
                return
            yield self._believed(table, content, reporter)

    def _believed(
        self, table: DispatchTable, content: dict[str, object], reporter: Workload | None
    ) -> dict[str, object]:
        if reporter is None:
            return content
        sides = self._sides(table, partial(_peek, content), reporter)
        kept = {name: value for name, value in content.items() if not name.startswith(SIDES)}
        bag = {**kept, **sides}
        return MistypedBag(bag, table.declared.types) if type(content) is MistypedBag else bag


def _peek(content: dict[str, object], name: str) -> object:
    """What a message says of an attribute, of whatever type; ABSENT if nothing."""
    return dict.get(content, name, ABSENT)


def _bounded(check: Callable[..., None], *numbers: int) -> None:
    try:
        check(*numbers)
    except TooMuch as error:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"this is no {kind.DESCRIPTOR.name}") from error


def _entries(call: Call) -> int:
    """How many entries a report has, without reading them; of what is no report 1, for it is a call."""
    if (counted := call.occurrences) is not None:
        return counted
    try:
        return len(ReportSize.FromString(call.message).attributes)
    except DecodeError:
        return 1


def _reported(call: Call, wrong: list[str], failed: list[str]) -> None:
    """The end of a report: everything that could be told has been; what could not is the call's error."""
    found = [*wrong, *failed]
    if not found:
        call.answer(REPORTED)
        return
    lines = "".join(f"\n\t* {text}" for text in found)
    call.fail(grpc.StatusCode.UNKNOWN, f"{len(found)} error{'s' if len(found) > 1 else ''} occurred:{lines}\n\n")
