"""Handlers that are listened to, and failures that are kept: the ears of an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from google.rpc.code_pb2 import Code

from flotilla_mixer.dispatch.counted import CountedHandler
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.plain import plain, row_values
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import HandlerCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.results import OK, CheckResult, QuotaResult
from flotilla_mixer.metrics import MixerMetrics


@dataclass(slots=True)
class Record:
    """What happened, in order. Each of `asked` has the instance, its values, and what the handler said, when it has."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


class RecordedFailures(Failures):
    """Keeps what went wrong; counts and logs nothing."""

    def __init__(self, metrics: MixerMetrics, record: Record) -> None:
        super().__init__(metrics)
        self._record = record

    def _unjudged(self, text: str, error: EvaluationError) -> bool:
        return False  # the rule's own part of the explanation says it

    def row(self, instance: str, error: EvaluationError) -> str:
        self._record.failed.append({"instance": instance, "error": str(error)})
        return f"evaluation failed at [{instance}]: {error}"

    def handler(self, handler: str, error: Exception) -> str:
        self._record.failed.append({"handler": handler, "error": f"{type(error).__name__}: {error}"})
        return f"handler {handler} failed: {type(error).__name__}"


class RecordedHandler(CountedHandler):
    """A handler as it is, and what it is asked and says is kept; that it was asked is not counted. `really` names the
    methods that are passed on.
    """

    def __init__(self, built: BuiltHandler, record: Record, really: frozenset[str]) -> None:
        self.inner = built.handler.inner
        self._built = built
        self._record = record
        self._really = really

    def check(self, calls: Sequence[HandlerCall[Any]]) -> None:
        self._pass("check", calls)

    def generate(self, calls: Sequence[HandlerCall[Any]]) -> None:
        self._pass("generate", calls)

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        self._pass("quota", calls)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        for batch in batches:
            for row in batch.rows:
                self._record.asked.append(self._entry(batch.instance, row))
        if "report" in self._really:
            self.inner.report(batches)

    def close(self) -> None:
        """The handler is its owner's to close."""

    def _pass(self, method: str, calls: Sequence[HandlerCall[Any]]) -> None:
        if method in self._really:
            getattr(self.inner, method)([self._listened(call) for call in calls])
            return
        for call in calls:
            self._record.asked.append(self._entry(call.instance, call.row))
            call.answer(QuotaResult())

    def _listened(self, call: HandlerCall[Any]) -> HandlerCall[Any]:
        """A call in the place of this one, which is answered with it."""
        entry = self._entry(call.instance, call.row)
        self._record.asked.append(entry)

        def heard(outcome: Any) -> None:
            entry["said"] = said(outcome)
            call.fail(outcome) if isinstance(outcome, str) else call.answer(outcome)

        if isinstance(call, QuotaCall):
            return QuotaCall(call.instance, call.row, heard, call.amount, call.best_effort, call.deduplication_id)
        return type(call)(call.instance, call.row, heard)

    def _entry(self, spec: Any, row: Any) -> dict[str, Any]:
        config = self._built.config
        return {
            "handler": config.display,
            "adapter": config.adapter.name,
            "instance": spec.name,
            "template": spec.template.name,
            "values": row_values(spec, row),
        }


def recorded_table(table: DispatchTable, record: Record, really: frozenset[str]) -> DispatchTable:
    """The same table with handlers that are listened to, and without sampling, which would count what is played."""
    handlers = {
        key: replace(built, handler=RecordedHandler(built, record, really)) for key, built in table.by_key.items()
    }
    actions = tuple(replace(action, sampler=None) for action in table.configuration.actions)
    return DispatchTable(replace(table.configuration, actions=actions), handlers, table.default_namespace)


def said(outcome: Any) -> Any:
    """What a handler answered, as plain data."""
    if isinstance(outcome, str):
        return {"error": outcome}
    if isinstance(outcome, CheckResult):
        return check_result(outcome)
    if isinstance(outcome, QuotaResult):
        found: dict[str, Any] = {"granted": outcome.amount, "valid_seconds": outcome.valid_seconds}
        return found | (status(outcome.code, outcome.message) if outcome.code else {})
    return {name: plain(value) for name, value in dict(outcome).items()}


def check_result(result: CheckResult) -> dict[str, Any]:
    found = {
        **status(result.code, result.message),
        "valid_seconds": result.valid_seconds,
        "valid_uses": result.valid_uses,
    }
    if result.direct is not None:
        found["response"] = asdict(result.direct)
    if result.outputs:
        found["outputs"] = {name: plain(value) for name, value in sorted(result.outputs.items())}
    return found


def status(code: int, message: str) -> dict[str, Any]:
    try:
        name = Code.Name(code)
    except ValueError:
        name = "UNKNOWN"
    return {"status": name, "code": code} | ({"message": message} if message or code != OK else {})
