"""The datadog adapter: for those who run no agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.datadog.faults import faults_of
from flotilla_mixer.adapters.datadog.handler import DatadogHandler
from flotilla_mixer.adapters.datadog.logs import LogWriter
from flotilla_mixer.adapters.datadog.settings import DEFAULT_PREFIX, DEFAULT_SITE, settings_of
from flotilla_mixer.adapters.datadog.values import Merged
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.connections import Connections
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.mixer.adapter.datadog.config_pb2 import Params


class Datadog:
    """The adapter."""

    name: ClassVar[str] = "datadog"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((METRIC.name, LOG_ENTRY.name))

    def defaults(self) -> Message:
        return Params(site=DEFAULT_SITE, prefix=DEFAULT_PREFIX)

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return faults_of(params, instances)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> DatadogHandler:
        """Raises SecretError for a file that handlers may not name."""
        settings, tags = settings_of(params), dict(params.global_tags)
        merged = {
            spec.name: Merged(spec, params.metrics[spec.name], params.prefix, settings.host, tags)
            for spec in instances
            if spec.template is METRIC
        }
        writers = {
            spec.name: LogWriter(spec, params.logs[spec.name], settings.host, tags)
            for spec in instances
            if spec.template is LOG_ENTRY
        }
        key = environment.secret(params.api_key_file)
        connections = Connections(params.ca_file, settings.timeout)
        return DatadogHandler(merged, writers, settings, connections, key, environment)
