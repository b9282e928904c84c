"""Whether ServiceRoles and their bindings let a call pass: the adapter that Istio had until 1.2."""

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
from flotilla_protos.istio.mixer.adapter.rbac.config.config_pb2 import Params

NANOSECONDS = 1_000_000_000
USES = 1_000_000_000  # 1.2 bounded an answer by time alone
OF_THE_MESH = ("", "k8s://")


class Rbac:
    """The adapter. Its answers are kept for a minute, as 1.2's were."""

    name: ClassVar[str] = "rbac"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((AUTHORIZATION.name,))

    def defaults(self) -> Message:
        return Params(cache_duration=Duration(seconds=60))

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if _seconds(params.cache_duration) < 0:
            yield Fault("spec.params.cacheDuration", "a validity must not be negative.")
        if params.config_store_url not in OF_THE_MESH:
            yield Fault(
                "spec.params.configStoreUrl",
                f"roles are those that Galley distributes, and not at {params.config_store_url!r}; leave it out.",
            )

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> JudgingHandler:
        validity = Validity(_seconds(params.cache_duration), USES)
        return JudgingHandler(instances, environment.roles, environment, validity)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
