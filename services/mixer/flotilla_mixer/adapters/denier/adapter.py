"""The denier: one configured answer to every question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from flotilla_mixer.kit.adapter import CheckCall, Environment, Fault, QuotaCall
from flotilla_mixer.kit.direct import direct_response
from flotilla_mixer.kit.results import NO_OPINION, CheckResult
from flotilla_mixer.templates.catalogue import CHECK_NOTHING, LIST_ENTRY, QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.denier.config.config_pb2 import Params

FAILED_PRECONDITION = 9
LAST_CODE = 16
NANOSECONDS = 1_000_000_000


class DenierHandler:
    """Gives every call the same answer."""

    def __init__(self, result: CheckResult) -> None:
        self._result = result

    def check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            call.answer(self._result)

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        """Nothing is granted."""
        for call in calls:
            call.answer(NO_OPINION)

    def close(self) -> None:
        pass


class Denier:
    """The adapter. Without parameters it says FAILED_PRECONDITION, for 5 s and 1000 uses (mixer.md 5.2)."""

    name: ClassVar[str] = "denier"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((CHECK_NOTHING.name, LIST_ENTRY.name, QUOTA.name))

    def defaults(self) -> Message:
        return Params(status=Status(code=FAILED_PRECONDITION), valid_duration=Duration(seconds=5), valid_use_count=1000)

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if not 0 <= params.status.code <= LAST_CODE:
            yield Fault("spec.params.status.code", f"{params.status.code} is no status code: they go from 0 to 16.")
        if params.status.code == 0:
            yield Fault(
                "spec.params.status.code", "0 is OK: a denier with it would deny nothing; 7 is PERMISSION_DENIED."
            )
        if params.valid_duration.seconds < 0 or params.valid_duration.nanos < 0:
            yield Fault("spec.params.validDuration", "a validity must not be negative.")
        if params.valid_use_count < 0:
            yield Fault("spec.params.validUseCount", "a number of uses must not be negative.")

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> DenierHandler:
        valid = params.valid_duration.seconds + params.valid_duration.nanos / NANOSECONDS
        status = params.status
        result = CheckResult(
            status.code, status.message, valid, params.valid_use_count, direct=direct_response(status.details)
        )
        return DenierHandler(result)
