"""The noop adapter: everything is allowed and granted, nothing is told to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from flotilla_mixer.kit.adapter import CheckCall, Environment, Fault, QuotaCall, ReportBatch
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.templates import catalogue
from flotilla_mixer.templates.template import InstanceSpec

FOREVER = 1_000_000_000
YES = CheckResult(valid_seconds=FOREVER, valid_uses=FOREVER)


class NoopHandler:
    """Has no state."""

    def check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            call.answer(YES)

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        for call in calls:
            call.answer(QuotaResult(call.amount, FOREVER))

    def report(self, batches: Sequence[ReportBatch]) -> None:
        pass

    def close(self) -> None:
        pass


class Noop:
    """The adapter (mixer.md 5.7)."""

    name: ClassVar[str] = "noop"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset(
        template.name
        for template in (
            catalogue.AUTHORIZATION,
            catalogue.CHECK_NOTHING,
            catalogue.REPORT_NOTHING,
            catalogue.LIST_ENTRY,
            catalogue.LOG_ENTRY,
            catalogue.METRIC,
            catalogue.QUOTA,
            catalogue.TRACE_SPAN,
        )
    )

    def defaults(self) -> Message:
        return Empty()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return ()

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> NoopHandler:
        return NoopHandler()
