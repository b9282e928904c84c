"""Whether AuthorizationPolicies let a call pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.judging import JudgingHandler, Validity
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.mixer.adapter.authorizationpolicy.config_pb2 import Params

NANOSECONDS = 1_000_000_000


class AuthorizationPolicies:
    """The adapter. Its answers are kept for 5 s: a policy that changes is in force everywhere after that."""

    name: ClassVar[str] = "authorizationpolicy"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((AUTHORIZATION.name,))

    def defaults(self) -> Message:
        return Params(valid_duration=Duration(seconds=5), valid_use_count=1000)

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if _seconds(params.valid_duration) < 0:
            yield Fault("spec.params.validDuration", "a validity must not be negative.")
        if params.valid_use_count < 0:
            yield Fault("spec.params.validUseCount", "a number of uses must not be negative.")

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> JudgingHandler:
        validity = Validity(_seconds(params.valid_duration), params.valid_use_count)
        return JudgingHandler(instances, environment.policies, environment, validity, permissive=params.permissive)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
