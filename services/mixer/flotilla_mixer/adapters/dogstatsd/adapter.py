"""The dogstatsd adapter: parameters to lines and a way to the agent (mixer.md 5.12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.dogstatsd.entries import CheckWriter, EventWriter
from flotilla_mixer.adapters.dogstatsd.faults import faults_of
from flotilla_mixer.adapters.dogstatsd.lines import LineWriter
from flotilla_mixer.adapters.dogstatsd.links import DEFAULT_PORT, link_of
from flotilla_mixer.adapters.dogstatsd.origin import ending, entity_tags
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.metric_lines import MetricLines, RowWriter
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.dogstatsd.config.config_pb2 import Params

BUFFER_SECONDS = 0.1


class Dogstatsd:
    """The adapter."""

    name: ClassVar[str] = "dogstatsd"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((METRIC.name, LOG_ENTRY.name))

    def defaults(self) -> Message:
        return Params(address=f"localhost:{DEFAULT_PORT}", prefix="istio.", sample_rate=1.0)

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return faults_of(params, instances)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> MetricLines:
        end, common = ending(params.origin), {**params.global_tags, **entity_tags(params.origin)}
        writers = {spec.name: _writer(spec, params, common, end) for spec in instances}
        return MetricLines(writers, link_of(params.address), _delivery(params.buffer_length), environment)


def _writer(spec: InstanceSpec, params: Any, common: dict[str, str], end: str) -> RowWriter:
    if spec.name in params.events and spec.template is LOG_ENTRY:
        event = params.events[spec.name]
        return EventWriter(spec, event, {**common, **event.tags}, end)
    if spec.template is LOG_ENTRY:
        check = params.service_checks[spec.name]
        return CheckWriter(spec, check, {**common, **check.tags}, end)
    info = params.metrics[spec.name]
    tags = {**common, **info.tags}
    return LineWriter(spec, info, params.prefix, tags, params.sample_rate, ending=end)


def _delivery(buffered: int) -> DeliverySettings:
    """Lines go out at once, or when so many wait or have waited for a tenth of a second."""
    if buffered:
        return DeliverySettings(batch_entries=buffered, batch_seconds=BUFFER_SECONDS)
    return DeliverySettings(batch_seconds=0)
