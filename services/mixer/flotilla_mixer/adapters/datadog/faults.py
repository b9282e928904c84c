"""What is wrong with parameters of the datadog adapter, each with its field and a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from flotilla_mixer.adapters.datadog.settings import FORMS, LONGEST_INTERVAL, LONGEST_TIMEOUT, seconds_of
from flotilla_mixer.adapters.datadog.values import Type
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.connections import is_http_url
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

NUMBERS = (ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION)
KINDS = (Type.COUNT, Type.RATE, Type.GAUGE, Type.DISTRIBUTION)
_SITE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\Z")


def faults_of(params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
    """For a handler that is to take these instances."""
    if not params.api_key_file:
        yield Fault("spec.params.apiKeyFile", "it is missing; name a file with an API key of your organisation.")
    yield from _wrong_places(params)
    yield from _wrong_times(params)
    for name, info in sorted(params.metrics.items()):
        yield from _wrong_metric(f"spec.params.metrics[{name}]", info)
    for name, info in sorted(params.logs.items()):
        yield from _wrong_log(f"spec.params.logs[{name}]", info)
    for spec in instances:
        yield from _wrong_instance(spec, params) if spec.template is METRIC else _wrong_entry(spec, params)


def _wrong_places(params: Any) -> Iterable[Fault]:
    if not _SITE.match(params.site):
        text = f"{params.site!r} is no site of Datadog's, such as datadoghq.com, datadoghq.eu or us5.datadoghq.com."
        yield Fault("spec.params.site", text)
    for field, url in (("metricsUrl", params.metrics_url), ("logsUrl", params.logs_url)):
        if url and not is_http_url(url):
            text = "a URL has http or https and a host, and no user: https://api.datadoghq.com."
            yield Fault(f"spec.params.{field}", text)
    if params.compression not in FORMS:
        yield Fault("spec.params.compression", "bodies are compressed by GZIP, ZSTD or NONE.")


def _wrong_times(params: Any) -> Iterable[Fault]:
    interval = seconds_of(params.interval)
    if interval and (interval != round(interval) or not 1 <= interval <= LONGEST_INTERVAL):
        text = f"points are sent every 1 to {LONGEST_INTERVAL} whole seconds, and not every {interval:g}."
        yield Fault("spec.params.interval", text)
    if not 0 <= seconds_of(params.timeout) <= LONGEST_TIMEOUT:
        yield Fault("spec.params.timeout", f"an answer is waited for at most {LONGEST_TIMEOUT:g} s.")


def _wrong_metric(path: str, info: Any) -> Iterable[Fault]:
    if not info.name:
        yield Fault(f"{path}.name", "a metric needs a name.")
    if info.type not in KINDS:
        yield Fault(f"{path}.type", "the type of a metric is COUNT, RATE, GAUGE or DISTRIBUTION.")
    if "host" in info.resources:
        yield Fault(f"{path}.resources", "the host of all metrics is the parameter host; remove it here.")


def _wrong_log(path: str, info: Any) -> Iterable[Fault]:
    for field in ("message", "service"):
        try:
            template(getattr(info, field))
        except TemplateError as error:
            yield Fault(f"{path}.{field}", f"{error}.")


def _wrong_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.metrics:
        yield Fault("spec.params.metrics", f"a rule reports {spec.name}, and no metric has that name.")
        return
    kind = spec.types.get("value")
    if kind not in NUMBERS:
        text = f"the value of {spec.name} is {kind or 'not given'}, and must be {' or '.join(NUMBERS)}."
        yield Fault(f"spec.params.metrics[{spec.name}].type", text)


def _wrong_entry(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.logs:
        yield Fault("spec.params.logs", f"a rule reports {spec.name}, and no log has that name.")
        return
    info, known = params.logs[spec.name], set(spec.names.get("variables", ()))
    asked = [("tagVariables", frozenset(info.tag_variables))]
    for field in ("message", "service"):
        try:
            asked.append((field, template(getattr(info, field)).names))
        except TemplateError:  # which is told already
            continue
    for field, names in asked:
        if missing := ", ".join(sorted(names - known)):
            text = f"it takes {missing}, which {spec.name} does not have among its variables."
            yield Fault(f"spec.params.logs[{spec.name}].{field}", text)
