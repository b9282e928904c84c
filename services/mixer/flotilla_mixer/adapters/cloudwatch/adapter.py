"""The cloudwatch adapter: parameters to a handler (mixer.md 5.13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.cloudwatch.connection import Connection
from flotilla_mixer.adapters.cloudwatch.events import EventReader
from flotilla_mixer.adapters.cloudwatch.faults import faults
from flotilla_mixer.adapters.cloudwatch.handler import CloudwatchHandler, LogPlace, Pace
from flotilla_mixer.adapters.cloudwatch.series import SeriesReader
from flotilla_mixer.adapters.cloudwatch.settings import cloud_settings, seconds
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.cloudwatch.config.config_pb2 import Params


class Cloudwatch:
    """The adapter."""

    name: ClassVar[str] = "cloudwatch"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((LOG_ENTRY.name, METRIC.name))

    def defaults(self) -> Message:
        return Params(
            flush_duration=Duration(seconds=60), log_flush_duration=Duration(seconds=5), timeout=Duration(seconds=5)
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return faults(params, instances)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> CloudwatchHandler:
        """Raises SecretError for files that handlers may not name."""
        settings = cloud_settings(params, environment)
        series = {
            spec.name: SeriesReader(spec, params.metric_info[spec.name])
            for spec in instances
            if spec.template is METRIC
        }
        events = {
            spec.name: EventReader(spec, params.logs[spec.name].payload_template)
            for spec in instances
            if spec.template is LOG_ENTRY
        }
        pace = Pace(seconds(params.flush_duration), seconds(params.log_flush_duration), settings.timeout)
        connection = Connection(settings)
        return CloudwatchHandler(params.namespace, _place(params), series, events, connection, pace, environment)


def _place(params: Any) -> LogPlace:
    return LogPlace(
        params.log_group_name,
        params.log_stream_name,
        may_create=params.when_missing != Params.REFUSE,
        with_group=params.when_missing == Params.CREATE_GROUP,
        retention_days=params.log_retention_days,
    )
