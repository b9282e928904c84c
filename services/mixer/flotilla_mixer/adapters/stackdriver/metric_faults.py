"""What is wrong with `metricInfo`, and with instances of `metric` that it does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flotilla_mixer.adapters.stackdriver.buckets import bucket_fault
from flotilla_mixer.adapters.stackdriver.series import MESH_UID, PREFIX, written_kind
from flotilla_mixer.adapters.stackdriver.values import Kind, Type
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

MOST_LABELS = 30  # of a metric of one's own
KINDS = (Kind.GAUGE, Kind.DELTA, Kind.CUMULATIVE)
FITS: dict[int, tuple[ValueType, ...]] = {
    Type.INT64: (ValueType.INT64, ValueType.DURATION, ValueType.TIMESTAMP),
    Type.DOUBLE: (ValueType.DOUBLE, ValueType.INT64, ValueType.DURATION),
    Type.BOOL: (ValueType.BOOL,),
    Type.STRING: tuple(ValueType),
    Type.DISTRIBUTION: (ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION),
}
_TYPE = re.compile(r"[a-z0-9.-]+(/[A-Za-z0-9_.-]+)+\Z")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")
LONGEST_TYPE = 200
LABEL_TEXT = "a letter, then letters, digits and underscores"


def info_faults(infos: Any) -> Iterable[Fault]:
    seen: dict[str, tuple[int, int]] = {}
    for name, info in sorted(infos.items()):
        path = f"spec.params.metricInfo[{name}]"
        yield from _wrong_info(path, info)
        metric_type = info.metric_type or PREFIX + name
        if len(metric_type) > LONGEST_TYPE or not _TYPE.match(metric_type):
            text = f"{metric_type[:LONGEST_TYPE]!r} is no metric type, such as custom.googleapis.com/mesh/requests."
            yield Fault(f"{path}.metricType", text)
        written = (written_kind(info.kind, metric_type), info.value)
        if seen.setdefault(metric_type, written) != written:
            yield Fault(f"{path}.metricType", f"{metric_type} has another kind or value elsewhere; it has one of each.")


def _wrong_info(path: str, info: Any) -> Iterable[Fault]:
    if info.kind not in KINDS:
        yield Fault(f"{path}.kind", "the kind of a metric is GAUGE, DELTA or CUMULATIVE.")
    if info.value not in FITS:
        yield Fault(f"{path}.value", "the value of a metric is INT64, DOUBLE, DISTRIBUTION, BOOL or STRING.")
    elif info.value in (Type.BOOL, Type.STRING) and info.kind != Kind.GAUGE:
        yield Fault(f"{path}.value", "a BOOL or STRING cannot be summed, so its kind is GAUGE.")
    if info.value == Type.DISTRIBUTION and (wrong := bucket_fault(info.buckets)):
        field, text = wrong
        yield Fault(f"{path}.buckets{field}", text)


def label_faults(label: str) -> Iterable[Fault]:
    if label and (not _LABEL.match(label) or label == MESH_UID):
        yield Fault("spec.params.replicaLabel", f"{label[:100]!r} is no label of its own: {LABEL_TEXT}.")


def instance_faults(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    """Of an instance of `metric` that a rule reports."""
    infos = params.metric_info
    if spec.name not in infos:
        yield Fault("spec.params.metricInfo", f"a rule reports {spec.name}, and no metric has that name.")
        return
    info, path = infos[spec.name], f"spec.params.metricInfo[{spec.name}]"
    kind, allowed = spec.types.get("value"), FITS.get(info.value)
    if kind is not None and allowed is not None and kind not in allowed:
        text = f"the value of {spec.name} is {kind}, and must be {' or '.join(allowed)}."
        yield Fault(f"{path}.value", text)
    yield from _wrong_labels(spec, path, params)


def _wrong_labels(spec: InstanceSpec, path: str, params: Any) -> Iterable[Fault]:
    names = spec.names.get("dimensions", ())
    for name in names:
        if not _LABEL.match(name):
            text = f"the dimension {name!r} of {spec.name} is no label: {LABEL_TEXT}."
            yield Fault(f"{path}.metricType", text)
    if params.replica_label in names:
        text = f"{spec.name} has a dimension {params.replica_label}; take another name."
        yield Fault("spec.params.replicaLabel", text)
    number = len(names) + bool(params.mesh_uid) + bool(params.replica_label)
    if number > MOST_LABELS:
        yield Fault(f"{path}.metricType", f"{spec.name} has {number} labels, and a metric has at most {MOST_LABELS}.")
