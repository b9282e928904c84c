"""What is wrong with parameters of the dogstatsd adapter, each with its field and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flotilla_mixer.adapters.dogstatsd.entries import LOW
from flotilla_mixer.adapters.dogstatsd.lines import BY_DATADOG, Type
from flotilla_mixer.adapters.dogstatsd.links import link_of
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

MOST_BUFFERED = 10_000
WHOLE, TIMES = (ValueType.INT64,), (ValueType.INT64, ValueType.DURATION)
NUMBERS = {Type.COUNTER: WHOLE, Type.GAUGE: WHOLE, Type.DISTRIBUTION: TIMES}
EVENT_TEMPLATES = (("title", "title"), ("text", "text"), ("aggregation_key", "aggregationKey"))


def faults_of(params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
    """For a handler that is to take these instances."""
    yield from _wrong_link(params)
    for name, info in sorted(params.metrics.items()):
        yield from _wrong_metric(f"spec.params.metrics[{name}]", info)
    for name, info in sorted(params.events.items()):
        yield from _wrong_event(f"spec.params.events[{name}]", info)
    for name, info in sorted(params.service_checks.items()):
        yield from _wrong_check(f"spec.params.serviceChecks[{name}]", info)
    for spec in instances:
        yield from _wrong_instance(spec, params) if spec.template is METRIC else _wrong_entry(spec, params)


def _wrong_link(params: Any) -> Iterable[Fault]:
    try:
        link_of(params.address)
    except ValueError:
        text = "host:port, unixgram:///var/run/datadog/dsd.socket or unixstream:///var/run/datadog/dsd.socket."
        yield Fault("spec.params.address", f"{params.address!r} is no address: {text}")
    if not 0 <= params.buffer_length <= MOST_BUFFERED:
        text = f"from 0 to {MOST_BUFFERED} lines may be gathered, and not {params.buffer_length}."
        yield Fault("spec.params.bufferLength", text)
    if not 0 < params.sample_rate <= 1:
        text = f"the share of values that is sent is above 0 and at most 1, and not {params.sample_rate:g}."
        yield Fault("spec.params.sampleRate", text)


def _wrong_metric(path: str, info: Any) -> Iterable[Fault]:
    if not info.name:
        yield Fault(f"{path}.name", "a metric needs a name.")
    if info.type not in NUMBERS:
        yield Fault(f"{path}.type", "the type of a metric is COUNTER, GAUGE or DISTRIBUTION.")
    if not 0 <= info.aggregated_by <= BY_DATADOG:
        yield Fault(f"{path}.aggregatedBy", "values are aggregated by AGENT or by DATADOG.")
    elif info.aggregated_by and info.type != Type.DISTRIBUTION:
        yield Fault(f"{path}.aggregatedBy", "this is for a DISTRIBUTION alone; remove it, or change the type.")


def _wrong_event(path: str, info: Any) -> Iterable[Fault]:
    if not info.text:
        yield Fault(f"{path}.text", "an event needs a text: a Go template over the variables of its instance.")
    if not 0 <= info.priority <= LOW:
        yield Fault(f"{path}.priority", "the priority of an event is NORMAL or LOW.")
    for field, shown in EVENT_TEMPLATES:
        yield from _wrong_template(f"{path}.{shown}", getattr(info, field))


def _wrong_check(path: str, info: Any) -> Iterable[Fault]:
    if not info.name:
        yield Fault(f"{path}.name", "a service check needs a name.")
    yield from _wrong_template(f"{path}.message", info.message)


def _wrong_template(path: str, text: str) -> Iterable[Fault]:
    try:
        template(text)
    except TemplateError as error:
        yield Fault(path, f"{error}.")


def _wrong_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.metrics:
        yield Fault("spec.params.metrics", f"a rule reports {spec.name}, and no metric has that name.")
        return
    kind, allowed = spec.types.get("value"), NUMBERS.get(params.metrics[spec.name].type)
    if allowed is not None and kind not in allowed:
        given = kind or "not given"
        text = f"the value of {spec.name} is {given}, and must be {' or '.join(allowed)}."
        yield Fault(f"spec.params.metrics[{spec.name}].type", text)


def _wrong_entry(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    of_events, of_checks = spec.name in params.events, spec.name in params.service_checks
    if of_events == of_checks:
        text = "both an event and a service check have" if of_events else "no event and no service check has"
        yield Fault("spec.params.events", f"a rule reports {spec.name}, and {text} that name; one of them must.")
    elif of_events:
        info, path = params.events[spec.name], f"spec.params.events[{spec.name}]"
        yield from _unknown_names(spec, path, info.tag_variables, [(s, getattr(info, f)) for f, s in EVENT_TEMPLATES])
    else:
        info, path = params.service_checks[spec.name], f"spec.params.serviceChecks[{spec.name}]"
        yield from _unknown_names(spec, path, info.tag_variables, [("message", info.message)])


def _unknown_names(
    spec: InstanceSpec, path: str, chosen: Iterable[str], templates: Iterable[tuple[str, str]]
) -> Iterable[Fault]:
    known = set(spec.names.get("variables", ()))
    asked = [("tagVariables", set(chosen))]
    for field, text in templates:
        try:
            asked.append((field, set(template(text).names)))
        except TemplateError:  # which is told already
            continue
    for field, names in asked:
        if missing := ", ".join(sorted(names - known)):
            text = f"it takes {missing}, which {spec.name} does not have among its variables."
            yield Fault(f"{path}.{field}", text)
