"""The stackdriver adapter: parameters to a handler (mixer.md 5.14)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.stackdriver import log_faults, metric_faults
from flotilla_mixer.adapters.stackdriver.access import access_of
from flotilla_mixer.adapters.stackdriver.edges import EdgeLog, EdgeReporter
from flotilla_mixer.adapters.stackdriver.entries import EntryWriter, InsertIds
from flotilla_mixer.adapters.stackdriver.handler import Reporter, StackdriverHandler
from flotilla_mixer.adapters.stackdriver.link import Link, LinkSettings
from flotilla_mixer.adapters.stackdriver.link_faults import link_faults
from flotilla_mixer.adapters.stackdriver.logging import EntryLink, LogReporter
from flotilla_mixer.adapters.stackdriver.messages import (
    LibrariesMissing,
    check_libraries,
    logging,
    monitoring,
    tracing,
)
from flotilla_mixer.adapters.stackdriver.monitoring import PUSH_SECONDS, MetricReporter
from flotilla_mixer.adapters.stackdriver.place import Places
from flotilla_mixer.adapters.stackdriver.series import SeriesWriter, fixed_labels
from flotilla_mixer.adapters.stackdriver.sinks import SinkKeeper
from flotilla_mixer.adapters.stackdriver.spans import SpanWriter
from flotilla_mixer.adapters.stackdriver.tracing import SpanReporter
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.templates.catalogue import EDGE, LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.stackdriver.config.config_pb2 import Params

NANOSECONDS = 1_000_000_000


class Stackdriver:
    """The adapter."""

    name: ClassVar[str] = "stackdriver"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((EDGE.name, LOG_ENTRY.name, METRIC.name, TRACE_SPAN.name))

    def defaults(self) -> Message:
        return Params()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        try:
            check_libraries()
        except LibrariesMissing as error:
            yield Fault("spec.params", f"{error}.")
        yield from link_faults(params)
        yield from metric_faults.label_faults(params.replica_label)
        yield from metric_faults.info_faults(params.metric_info)
        yield from log_faults.info_faults(params.log_info)
        for spec in instances:
            if spec.template is METRIC:
                yield from metric_faults.instance_faults(spec, params)
            elif spec.template is LOG_ENTRY:
                yield from log_faults.instance_faults(spec, params.log_info)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> StackdriverHandler:
        return _Building(params, instances, environment).handler()


class _Building:
    """A handler's parts, those that its instances need."""

    def __init__(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> None:
        self._params = params
        self._instances = instances
        self._environment = environment
        self._access = access_of(params, environment)
        self._places = Places(params, self._access)
        self._links: list[Link] = []

    def handler(self) -> StackdriverHandler:
        reporters: dict[str, Reporter] = {}
        if metrics := self._of(METRIC.name):
            reporters[METRIC.name] = self._metrics(metrics)
        logs, edges = self._of(LOG_ENTRY.name), self._of(EDGE.name)
        if logs or edges:
            reporters |= self._entries(logs, with_edges=bool(edges))
        if spans := self._of(TRACE_SPAN.name):
            reporters[TRACE_SPAN.name] = self._spans(spans)
        return StackdriverHandler(reporters, self._links)

    def _of(self, template: str) -> list[InstanceSpec]:
        return [spec for spec in self._instances if spec.template.name == template]

    def _link(self, transport: Any, endpoint: str) -> Link:
        params = self._params
        settings = LinkSettings(endpoint or params.endpoint, params.plaintext, params.ca_certificates)
        link = Link(transport, settings, self._access)
        self._links.append(link)
        return link

    def _metrics(self, instances: Sequence[InstanceSpec]) -> MetricReporter:
        params, messages = self._params, monitoring()
        fixed = fixed_labels(params, socket.gethostname())
        writers = {spec.name: SeriesWriter(spec, params.metric_info[spec.name], fixed, messages) for spec in instances}
        seconds = _seconds(params.push_interval) or PUSH_SECONDS
        link = self._link(messages.transport, "")
        return MetricReporter(writers, link, self._places, messages.summary, seconds, self._environment)

    def _entries(self, instances: Sequence[InstanceSpec], *, with_edges: bool) -> dict[str, Reporter]:
        """Logs and edges share a channel."""
        params, messages, ids = self._params, logging(), InsertIds()
        link = self._link(messages.transport, params.logging_endpoint)
        entry_link = EntryLink(link, self._places, messages.partial_errors)
        found: dict[str, Reporter] = {}
        if instances:
            infos = {spec.name: params.log_info[spec.name] for spec in instances}
            writers = {spec.name: EntryWriter(spec, infos[spec.name], messages, ids) for spec in instances}
            found[LOG_ENTRY.name] = LogReporter(writers, entry_link, self._environment)
            if sinks := [info.sink_info for info in infos.values() if info.HasField("sink_info")]:
                keeper = SinkKeeper(link, self._places, messages, self._environment)
                self._environment.spawn(keeper.keep(sinks), "sinks")
        if with_edges:
            log = EdgeLog(params.mesh_uid, messages)
            found[EDGE.name] = EdgeReporter(log, entry_link, messages, ids, self._environment)
        return found

    def _spans(self, instances: Sequence[InstanceSpec]) -> SpanReporter:
        messages = tracing()
        writers = {spec.name: SpanWriter(spec, messages) for spec in instances}
        share = self._params.trace.sample_probability
        if not share:
            text = "no spans are sent: trace.sampleProbability is 0, as it is where it is not given"
            self._environment.complain("unsampled", text)
        link = self._link(messages.transport, self._params.trace_endpoint)
        return SpanReporter(writers, share, link, self._places, self._environment)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
