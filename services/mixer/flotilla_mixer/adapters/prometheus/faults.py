"""What is wrong with parameters of the prometheus adapter, each with its field and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flotilla_mixer.adapters.prometheus.families import Kind
from flotilla_mixer.adapters.prometheus.names import LABEL_NAME, METRIC_NAME, bucket_bounds, metric_name, sanitise
from flotilla_mixer.adapters.prometheus.remote_write.settings import wrong_settings
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

NUMBERS = frozenset((ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION, ValueType.STRING))
NANOSECONDS = 1_000_000_000


def faults_of(params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
    """For a handler that is to take these instances."""
    names: set[str] = set()
    for number, info in enumerate(params.metrics):
        yield from _wrong_metric(f"spec.params.metrics[{number}]", info, names)
    infos: dict[str, list[Any]] = {}
    for info in params.metrics:
        infos.setdefault(info.instance_name, []).append(info)
    for spec in instances:
        yield from _wrong_instance(spec, infos.get(spec.name, []))
    if params.HasField("metrics_expiration_policy"):
        yield from _wrong_expiry(params)
    if params.HasField("remote_write"):
        yield from wrong_settings(params.remote_write)


def _wrong_metric(path: str, info: Any, seen: set[str]) -> Iterable[Fault]:
    name = metric_name(info)
    if not info.instance_name:
        yield Fault(
            f"{path}.instanceName", "a metric needs the full name of its instance, such as size.instance.default."
        )
    if info.kind not in (Kind.GAUGE, Kind.COUNTER, Kind.DISTRIBUTION):
        yield Fault(f"{path}.kind", "the kind of a metric is COUNTER, GAUGE or DISTRIBUTION.")
    if not METRIC_NAME.match(name):
        yield Fault(f"{path}.name", f"{name!r} is no name that Prometheus takes: letters, digits and underscores.")
    if name in seen:
        yield Fault(f"{path}.name", f"there are two metrics named {name}.")
    seen.add(name)
    yield from _wrong_labels(path, info)
    try:
        bucket_bounds(info.buckets)
    except ValueError as error:
        yield Fault(f"{path}.buckets", f"{error}.")


def _wrong_labels(path: str, info: Any) -> Iterable[Fault]:
    labels = list(map(sanitise, (*info.label_names, *info.exemplar_dimensions)))
    for place, label in enumerate(labels):
        field = "labelNames" if place < len(info.label_names) else "exemplarDimensions"
        if not LABEL_NAME.match(label) or labels.count(label) > 1:
            text = f"the label {label!r} must be letters, digits and underscores, and be there once."
            yield Fault(f"{path}.{field}", text)
    if info.exemplar_dimensions and info.kind == Kind.GAUGE:
        yield Fault(f"{path}.exemplarDimensions", "counters and distributions have exemplars, and gauges none.")


def _wrong_instance(spec: InstanceSpec, infos: Sequence[Any]) -> Iterable[Fault]:
    if not infos:
        text = f"a rule reports {spec.name}, and no metric has that instanceName."
        yield Fault("spec.params.metrics", text)
        return
    names = [sanitise(name) for name in spec.names.get("dimensions", ())]
    for info in infos:
        wanted = [sanitise(name) for name in (*info.label_names, *info.exemplar_dimensions)]
        if sorted(names) != sorted(wanted):
            text = (
                f"the labels and exemplar dimensions of {metric_name(info)} are {_list(wanted)}, "
                f"and the dimensions of {spec.name} {_list(names)}: they must be the same."
            )
            yield Fault("spec.params.metrics", text)
    kind = spec.types.get("value")
    if kind is not None and kind not in NUMBERS:
        yield Fault("spec.params.metrics", f"the value of {spec.name} is {kind}, which is no number.")


def _wrong_expiry(params: Any) -> Iterable[Fault]:
    path = "spec.params.metricsExpirationPolicy"
    if expiry_of(params) <= 0:
        text = "the time after which a metric expires must be longer than 0."
        yield Fault(f"{path}.metricsExpiryDuration", text)
    if seconds_of(params.metrics_expiration_policy.expiry_check_interval_duration) < 0:
        text = "the time between two looks must not be negative; 0 is half the time of expiry."
        yield Fault(f"{path}.expiryCheckIntervalDuration", text)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def seconds_of(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)


def expiry_of(params: Any) -> float:
    """Seconds; 0 for never."""
    return seconds_of(params.metrics_expiration_policy.metrics_expiry_duration)
