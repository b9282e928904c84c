"""What is wrong with the parameters of a handler, each with its field and a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from flotilla_mixer.adapters.otlp.exponential import LEAST_SIZE, MOST_SIZE
from flotilla_mixer.adapters.otlp.logs import MOST_SEVERITY
from flotilla_mixer.adapters.otlp.settings import HEADER_VALUE, EndpointError, endpoint_of, is_header_name, seconds
from flotilla_mixer.adapters.otlp.streams import FORMS, metric_name
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

NUMBERS = frozenset((ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION, ValueType.STRING))
# OpenTelemetry's metrics API, "Instrument name syntax" and "Instrument unit".
METRIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}\Z")
UNIT = re.compile(r"[\x21-\x7e]{0,63}\Z")
MOST_BOUNDS = 500  # every label set has them all
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.01, 3600.0
LONGEST_TIMEOUT = 60.0
MOST_ENTRIES, MOST_WAITING, MOST_SERIES = 10_000, 200_000, 1_000_000
P = "spec.params"


def faults_of(params: Any, instances: Sequence[InstanceSpec]) -> Iterator[Fault]:
    yield from _wrong_link(params)
    yield from _wrong_headers(params)
    yield from _wrong_numbers(params)
    yield from _wrong_metrics(params)
    for name, info in sorted(params.logs.items()):
        yield from _wrong_log(f"{P}.logs[{name}]", info)
    for spec in instances:
        yield from _WRONG_INSTANCES[spec.template.name](spec, params)


def _wrong_link(params: Any) -> Iterator[Fault]:
    if params.protocol not in Params.Protocol.values():
        yield Fault(f"{P}.protocol", "the protocol is GRPC, HTTP or HTTP_JSON.")
    try:
        endpoint_of(params)
    except EndpointError as error:
        yield Fault(f"{P}.endpoint", f"{error}.")
    if params.compression not in Params.Compression.values():
        yield Fault(f"{P}.compression", "the compression is GZIP or NONE.")
    if params.plaintext and params.HasField("tls"):
        yield Fault(f"{P}.tls", "a handler has TLS or is in plaintext, and not both.")
    if bool(params.tls.certificate_file) != bool(params.tls.key_file):
        yield Fault(f"{P}.tls", "certificateFile and keyFile go together.")
    for field, text in (
        ("caFile", params.tls.ca_file),
        ("certificateFile", params.tls.certificate_file),
        ("keyFile", params.tls.key_file),
    ):
        if "\0" in text or (text and not text.startswith("/")):
            yield Fault(f"{P}.tls.{field}", f"{text[:100]!r} must be the whole path of a file, from /.")
    if not params.tls.server_name.isascii() or not (params.tls.server_name or "a").isprintable():
        yield Fault(f"{P}.tls.serverName", f"{params.tls.server_name[:100]!r} is no name of a server.")


def _wrong_headers(params: Any) -> Iterator[Fault]:
    for field, headers in (("headers", params.headers), ("headerFiles", params.header_files)):
        for name in sorted(headers):
            if not is_header_name(name):
                text = "is no header that may be set: lower-case letters, digits, -, _ and ., and none of the protocol's own"
                yield Fault(f"{P}.{field}[{name[:100]}]", f"{name[:100]!r} {text}.")
    for name, value in sorted(params.headers.items()):
        if not HEADER_VALUE.match(value):
            yield Fault(f"{P}.headers[{name[:100]}]", "its value must be one line of ASCII.")
    for name, each in sorted(params.header_files.items()):
        path = f"{P}.headerFiles[{name[:100]}]"
        if name in params.headers:
            yield Fault(path, "the header has a fixed value among headers already.")
        if not each.file or "\0" in each.file:
            yield Fault(f"{path}.file", "it needs the path of the file that holds its value.")
        if not HEADER_VALUE.match(each.prefix):
            yield Fault(f"{path}.prefix", "it must be one line of ASCII.")


def _wrong_numbers(params: Any) -> Iterator[Fault]:
    yield from _outside(f"{P}.timeout", seconds(params.timeout), SHORTEST_INTERVAL, LONGEST_TIMEOUT, " s")
    yield from _outside(f"{P}.batchDuration", seconds(params.batch_duration), 0, LONGEST_INTERVAL, " s")
    interval = seconds(params.metrics_interval)
    yield from _outside(f"{P}.metricsInterval", interval, SHORTEST_INTERVAL, LONGEST_INTERVAL, " s")
    yield from _outside(f"{P}.batchEntries", params.batch_entries, 1, MOST_ENTRIES)
    yield from _outside(f"{P}.maxWaiting", params.max_waiting, 1, MOST_WAITING)
    yield from _outside(f"{P}.seriesLimit", params.series_limit, 1, MOST_SERIES)
    if params.temporality not in Params.Temporality.values():
        yield Fault(f"{P}.temporality", "the temporality is CUMULATIVE or DELTA.")
    if seconds(params.series_expiry) < 0:
        yield Fault(
            f"{P}.seriesExpiry", "the time after which a label set is forgotten must not be negative; 0 is never."
        )
    if not 0 < params.trace_sampling <= 1:
        text = f"the share of traces that is kept is above 0 and at most 1, and not {params.trace_sampling:g}."
        yield Fault(f"{P}.traceSampling", text)


def _outside(field: str, value: float, least: float, most: float, unit: str = "") -> Iterator[Fault]:
    if not least <= value <= most:
        yield Fault(field, f"it must be from {least:g}{unit} to {most:g}{unit}, and not {value:g}{unit}.")


def _wrong_metrics(params: Any) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for instance, info in sorted(params.metrics.items()):
        path, name = f"{P}.metrics[{instance}]", metric_name(instance, info)
        if info.kind not in FORMS:
            kinds = "SUM, UP_DOWN_SUM, GAUGE, HISTOGRAM or EXPONENTIAL_HISTOGRAM"
            yield Fault(f"{path}.kind", f"the kind of a metric is {kinds}.")
        if not METRIC_NAME.match(name):
            text = "is no name of a metric: a letter, then at most 254 letters, digits, _, ., / and -"
            yield Fault(f"{path}.name", f"{name[:300]!r} {text}.")
        if name.lower() in seen:
            yield Fault(f"{path}.name", f"{seen[name.lower()]} has a metric of this name too: {name}.")
        seen.setdefault(name.lower(), instance)
        if not UNIT.match(info.unit):
            yield Fault(
                f"{path}.unit", "a unit has at most 63 characters of ASCII, without spaces, such as s, By or {call}."
            )
        yield from _wrong_buckets(path, info)


def _wrong_buckets(path: str, info: Any) -> Iterator[Fault]:
    bounds = info.bounds
    grow = all(map(isfinite, bounds)) and all(low < high for low, high in pairwise(bounds))
    if not grow or len(bounds) > MOST_BOUNDS:
        text = f"the bounds of buckets are at most {MOST_BOUNDS} numbers that grow, each above the one before."
        yield Fault(f"{path}.bounds", text)
    if info.max_size and not LEAST_SIZE <= info.max_size <= MOST_SIZE:
        text = f"an exponential histogram has {LEAST_SIZE} to {MOST_SIZE} buckets on each side of zero, and not {info.max_size}."
        yield Fault(f"{path}.maxSize", text)


def _wrong_log(path: str, info: Any) -> Iterator[Fault]:
    try:
        template(info.body_template)
    except TemplateError as error:
        yield Fault(f"{path}.bodyTemplate", f"{error}.")
    for name, number in sorted(info.severities.items()):
        if not 1 <= number <= MOST_SEVERITY:
            text = f"a severity has a number from 1 to {MOST_SEVERITY}, and not {number}."
            yield Fault(f"{path}.severities[{name[:100]}]", text)


def _wrong_metric_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.metrics:
        yield Fault(f"{P}.metrics", f"a rule reports {spec.name}, and no metric has that name.")
        return
    kind = spec.types.get("value")
    if kind is not None and kind not in NUMBERS:
        yield Fault(f"{P}.metrics[{spec.name}]", f"the value of {spec.name} is {kind}, which is no number.")


def _wrong_log_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.logs:
        return
    info, path = params.logs[spec.name], f"{P}.logs[{spec.name}]"
    names = set(spec.names.get("variables", ()))
    try:
        missing = template(info.body_template).names - names
    except TemplateError:
        missing = frozenset()
    if missing:
        text = f"the body takes {', '.join(sorted(missing))}, which {spec.name} does not have among its variables."
        yield Fault(f"{path}.bodyTemplate", text)
    for field, name in (("traceId", info.trace_id), ("spanId", info.span_id)):
        if name and name not in names:
            yield Fault(f"{path}.{field}", f"{name[:100]!r} is not among the variables of {spec.name}.")
    if info.span_id and not info.trace_id:
        yield Fault(f"{path}.spanId", "a span is told with its trace: traceId is missing.")


def _wrong_trace_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.traces:
        return
    missing = set(params.traces[spec.name].resource_tags) - set(spec.names.get("span_tags", ()))
    if missing:
        text = f"{', '.join(sorted(missing))}: {spec.name} does not have them among its span tags."
        yield Fault(f"{P}.traces[{spec.name}].resourceTags", text)


_WRONG_INSTANCES = {
    METRIC.name: _wrong_metric_instance,
    LOG_ENTRY.name: _wrong_log_instance,
    TRACE_SPAN.name: _wrong_trace_instance,
}
