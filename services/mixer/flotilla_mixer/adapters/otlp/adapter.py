"""The otlp adapter: parameters to a handler."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.otlp.credentials import Headers
from flotilla_mixer.adapters.otlp.faults import faults_of
from flotilla_mixer.adapters.otlp.grpc_link import GrpcLink
from flotilla_mixer.adapters.otlp.handler import EntryQueue, Exporter, Link, OtlpHandler, Sums
from flotilla_mixer.adapters.otlp.http_link import HttpLink
from flotilla_mixer.adapters.otlp.logs import LogWriter
from flotilla_mixer.adapters.otlp.meter import Meter, writers_of
from flotilla_mixer.adapters.otlp.requests import LOGS, METRICS, TRACES
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.adapters.otlp.settings import seconds
from flotilla_mixer.adapters.otlp.spans import SpanWriter
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.delivery import MEGABYTE, DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec, Template
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params

SERVICE, INSTANCE = "service.name", "service.instance.id"
DEFAULT_SERVICE = "flotilla-mixer"
NANOSECONDS = 1_000_000_000
# Half of what collectors take of gRPC by default is 2 MiB; and packing more at once would hold the loop up.
REQUEST_BYTES = MEGABYTE // 2
PATIENCE_SECONDS = 1.0  # after the timeout of a request, which is the link's


class Otlp:
    """The adapter."""

    name: ClassVar[str] = "otlp"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((METRIC.name, LOG_ENTRY.name, TRACE_SPAN.name))

    def defaults(self) -> Message:
        return Params(
            endpoint="localhost:4317",
            timeout=Duration(seconds=10),
            batch_duration=Duration(seconds=1),
            batch_entries=1_000,
            max_waiting=20_000,
            metrics_interval=Duration(seconds=10),
            series_limit=20_000,
            series_expiry=Duration(seconds=3600),
            trace_sampling=1.0,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return faults_of(params, instances)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> OtlpHandler:
        link = link_of(params, environment)
        fixed = resource_of(params)
        parts: list[EntryQueue | Sums] = []
        if specs := _of(METRIC, instances):
            parts.append(_sums(specs, params, fixed, link, environment))
        if specs := _of(LOG_ENTRY, instances):
            parts.append(_logs(specs, params, fixed, link, environment))
        if specs := _of(TRACE_SPAN, instances):
            parts.append(_spans(specs, params, fixed, link, environment))
        return OtlpHandler(parts, link, environment)


def link_of(params: Any, environment: Environment) -> Link:
    headers = Headers(params, environment)
    if params.protocol == Params.GRPC:
        return GrpcLink(params, headers, environment)
    return HttpLink(params, headers, environment)


def resource_of(params: Any) -> dict[str, str]:
    """The fixed attributes. Each handler that is built is an instance by itself: no two write the same sums."""
    return {SERVICE: DEFAULT_SERVICE, INSTANCE: str(uuid4()), **params.resource}


def _of(template: Template, instances: Sequence[InstanceSpec]) -> list[InstanceSpec]:
    return [spec for spec in instances if spec.template.name == template.name]


def _sums(
    specs: Sequence[InstanceSpec], params: Any, fixed: Mapping[str, str], link: Link, environment: Environment
) -> Sums:
    meter = Meter(params.series_limit, round(seconds(params.series_expiry) * NANOSECONDS), time.time_ns)
    resources = {spec.name: _resources(spec, fixed) for spec in specs}
    delta = params.temporality == Params.DELTA
    writers = writers_of(specs, params, resources, meter, delta=delta)
    settings = _settings(params, seconds(params.metrics_interval))
    return Sums(writers, meter, Exporter(METRICS, link, environment), settings, environment)


def _logs(
    specs: Sequence[InstanceSpec], params: Any, fixed: Mapping[str, str], link: Link, environment: Environment
) -> EntryQueue:
    writers = {
        spec.name: LogWriter(spec, _info(params.logs, spec, Params.Log), _resources(spec, fixed), time.time_ns)
        for spec in specs
    }
    settings = _settings(params, seconds(params.batch_duration))
    return EntryQueue(writers, Exporter(LOGS, link, environment), settings, environment)


def _spans(
    specs: Sequence[InstanceSpec], params: Any, fixed: Mapping[str, str], link: Link, environment: Environment
) -> EntryQueue:
    """Spans are of the services that rows name, and Mixer's own instance says nothing of those."""
    of_all = {name: value for name, value in fixed.items() if name != INSTANCE or name in params.resource}
    writers = {
        spec.name: SpanWriter(spec, _info(params.traces, spec, Params.Trace), of_all, params.trace_sampling)
        for spec in specs
    }
    settings = _settings(params, seconds(params.batch_duration))
    return EntryQueue(writers, Exporter(TRACES, link, environment), settings, environment)


def _info(infos: Any, spec: InstanceSpec, kind: Any) -> Any:
    """What the parameters say of an instance; without asking a map for what it has not, which would put it there."""
    return infos[spec.name] if spec.name in infos else kind()


def _resources(spec: InstanceSpec, fixed: Mapping[str, str]) -> ResourceWriter:
    return ResourceWriter(fixed, spec.names.get("monitored_resource_dimensions", ()))


def _settings(params: Any, interval: float) -> DeliverySettings:
    return DeliverySettings(
        most_waiting=params.max_waiting,
        batch_entries=params.batch_entries,
        batch_bytes=REQUEST_BYTES,
        batch_seconds=interval,
        retry=RetrySettings(send_seconds=seconds(params.timeout) + PATIENCE_SECONDS),
    )
