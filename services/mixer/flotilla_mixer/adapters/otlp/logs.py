"""Rows of `logentry` as log records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flotilla_mixer.adapters.otlp.attributes import AttributesWriter, fit_text
from flotilla_mixer.adapters.otlp.requests import Entry
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.adapters.otlp.spans import SAMPLED, trace_bytes
from flotilla_mixer.kit.gotext import Template, template
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.kit.trace_context import read_context
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.opentelemetry.common_pb2 import AnyValue
from flotilla_protos.flotilla.opentelemetry.logs_pb2 import LogRecord

TIMESTAMP, SEVERITY, RESOURCE_TYPE, VARIABLES, RESOURCE = range(5)  # places in a row
MOST_TIME = 2**64 - 1
ANY_SPAN = "1"  # to read the id of a trace where none of a span is told
# Numbers as OpenTelemetry's data model of logs has them for syslog, Google's logging, log4j and zap.
SEVERITIES: Mapping[str, int] = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "information": 9,
    "informational": 9,
    "notice": 10,
    "warn": 13,
    "warning": 13,
    "error": 17,
    "err": 17,
    "critical": 18,
    "crit": 18,
    "dpanic": 18,
    "alert": 19,
    "panic": 19,
    "fatal": 21,
    "emergency": 21,
    "emerg": 21,
}
MOST_SEVERITY = 24


class LogWriter:
    """The records of one instance; `clock` gives nanoseconds since 1970."""

    def __init__(self, spec: InstanceSpec, info: Any, resources: ResourceWriter, clock: Callable[[], int]) -> None:
        names = spec.names.get("variables", ())
        self._names = names
        self._attributes = AttributesWriter(names, LogRecord)
        self._resources = resources
        self._clock = clock
        self._body: Template | None = template(info.body_template) if info.body_template else None
        self._event_name = fit_text(info.event_name)
        self._trace = names.index(info.trace_id) if info.trace_id in names else None
        self._span = names.index(info.span_id) if info.span_id in names else None
        self._severities = {**SEVERITIES, **{name.lower(): number for name, number in info.severities.items()}}

    def entry(self, row: tuple[Any, ...]) -> Entry:
        """Raises ValueError for a row that does not fit."""
        variables = row[VARIABLES]
        attributes = self._attributes.write(variables)
        severity = text_of(row[SEVERITY])
        record = LogRecord(
            time_unix_nano=_moment(row[TIMESTAMP]),
            observed_time_unix_nano=self._clock(),
            severity_number=self._severities.get(severity.lower(), 0),
            severity_text=fit_text(severity),
            event_name=self._event_name,
        )
        if self._body is not None:
            body = self._body.run(dict(zip(self._names, variables, strict=True)))
            record.body.CopyFrom(AnyValue(string_value=fit_text(body)))
        if self._trace is not None:
            self._add_trace(record, variables)
        resource = self._resources.write(row[RESOURCE_TYPE], row[RESOURCE])
        return Entry(resource, record.SerializeToString() + attributes)

    def _add_trace(self, record: LogRecord, variables: tuple[Any, ...]) -> None:
        """What is no id is left out: an entry is worth something without it."""
        assert self._trace is not None
        said = variables[self._trace]
        context = read_context(said, ANY_SPAN, "")
        if context is None:
            return
        record.trace_id = trace_bytes(context.trace)
        record.flags = SAMPLED if context.sampled else 0
        whole = None if self._span is None else read_context(said, variables[self._span], "")
        if whole is not None:
            record.span_id = bytes.fromhex(whole.span)


def _moment(value: object) -> int:
    """0 is one that is not known."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= MOST_TIME else 0
