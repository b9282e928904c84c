"""The prometheus adapter: parameters to families, rows to values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.prometheus.families import Family, FamilyStore, Kind
from flotilla_mixer.adapters.prometheus.names import LABEL_NAME, METRIC_NAME, bucket_bounds, metric_name, sanitise
from flotilla_mixer.kit.adapter import Environment, Fault, ReportBatch
from flotilla_mixer.kit.text import number_of, text_of
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

NUMBERS = frozenset((ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION, ValueType.STRING))
NANOSECONDS = 1_000_000_000
VALUE, DIMENSIONS = 0, 2  # places in a row of `metric`


class PrometheusHandler:
    """Writes rows into families. The label values of a row are worked out once for each distinct set."""

    def __init__(self, families: Mapping[str, tuple[Family, tuple[int, ...]]], release: Any) -> None:
        self._families = families
        self._release = release

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError for values that are no numbers or that a counter cannot take, when all others are in."""
        wrong: list[str] = []
        for batch in batches:
            family, order = self._families[batch.instance.name]
            try:
                family.record(_rows(batch, order, wrong))
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def close(self) -> None:
        self._release()


def _rows(batch: ReportBatch, order: tuple[int, ...], wrong: list[str]) -> Iterable[tuple[tuple[str, ...], float]]:
    """Labels and value of each row; what is wrong with the others goes to `wrong`."""
    memo: dict[tuple[object, ...], tuple[str, ...]] = {}
    for row in batch.rows:
        dimensions, value = row[DIMENSIONS], row[VALUE]
        try:
            number = float(value) if type(value) is int else number_of(value)
        except ValueError as error:
            wrong.append(f"could not get value for metric {batch.instance.name}: {error}")
            continue
        try:
            labels = memo.get(dimensions)
            if labels is None:
                labels = memo[dimensions] = _labels(dimensions, order)
        except TypeError:  # a map among the dimensions
            labels = _labels(dimensions, order)
        yield labels, number


def _labels(dimensions: tuple[object, ...], order: tuple[int, ...]) -> tuple[str, ...]:
    return tuple([text_of(dimensions[place]) for place in order])


class Prometheus:
    """The adapter; its families outlive its handlers. The page on 42422 shows `store`."""

    name: ClassVar[str] = "prometheus"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((METRIC.name,))

    def __init__(self) -> None:
        self.store = FamilyStore()

    def defaults(self) -> Message:
        return Params()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        names: set[str] = set()
        for number, info in enumerate(params.metrics):
            yield from _wrong_metric(f"spec.params.metrics[{number}]", info, names)
        infos = {info.instance_name: info for info in params.metrics}
        for spec in instances:
            yield from _wrong_instance(spec, infos.get(spec.name))
        if params.HasField("metrics_expiration_policy") and _expiry(params) <= 0:
            field = "spec.params.metricsExpirationPolicy.metricsExpiryDuration"
            yield Fault(field, "the time after which a metric expires must be longer than 0.")

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> PrometheusHandler:
        """Takes the families of all metrics of the parameters, also of those that no rule reports yet."""
        families = {
            info.instance_name: family
            for info, family in zip(params.metrics, self.store.acquire(params.metrics), strict=True)
        }
        bound = {}
        for spec in instances:
            family = families[spec.name]
            places = {sanitise(name): place for place, name in enumerate(spec.names.get("dimensions", ()))}
            bound[spec.name] = (family, tuple(places[label] for label in family.labels))
        if _expiry(params) > 0:
            environment.spawn(_expire(list(families.values()), params), "expire")
        return PrometheusHandler(bound, lambda: self.store.release(params.metrics))


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
    labels = list(map(sanitise, info.label_names))
    for label in labels:
        if not LABEL_NAME.match(label) or labels.count(label) > 1:
            yield Fault(
                f"{path}.labelNames", f"the label {label!r} must be letters, digits and underscores, and be there once."
            )
    try:
        bucket_bounds(info.buckets)
    except ValueError as error:
        yield Fault(f"{path}.buckets", f"{error}.")


def _wrong_instance(spec: InstanceSpec, info: Any) -> Iterable[Fault]:
    if info is None:
        text = f"a rule reports {spec.name}, and no metric has that instanceName."
        yield Fault("spec.params.metrics", text)
        return
    given, wanted = set(map(sanitise, spec.names.get("dimensions", ()))), set(map(sanitise, info.label_names))
    if given != wanted:
        text = (
            f"the labels of {metric_name(info)} are {_list(wanted)}, and the dimensions of {spec.name} {_list(given)}"
        )
        yield Fault("spec.params.metrics", f"{text}: they must be the same.")
    kind = spec.types.get("value")
    if kind is not None and kind not in NUMBERS:
        yield Fault("spec.params.metrics", f"the value of {spec.name} is {kind}, which is no number.")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _expiry(params: Any) -> float:
    policy = params.metrics_expiration_policy.metrics_expiry_duration
    return float(policy.seconds + policy.nanos / NANOSECONDS)


async def _expire(families: Sequence[Family], params: Any) -> None:
    """Look for what has expired, at the interval asked for or at half the expiry."""
    expiry, given = _expiry(params), params.metrics_expiration_policy.expiry_check_interval_duration
    interval = given.seconds + given.nanos / NANOSECONDS or expiry / 2
    while True:
        await asyncio.sleep(interval)
        for family in families:
            family.expire(time.monotonic() - expiry)
