"""The statsd adapter: parameters to lines and datagrams (mixer.md 5.12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.statsd.lines import LineWriter, Type
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.datagrams import DEFAULT_BYTES, MOST_BYTES, Datagrams, host_and_port
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.kit.metric_lines import MetricLines
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.statsd.config.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

NANOSECONDS = 1_000_000_000
DEFAULT_PORT = 8125
NUMBERS = {
    Type.COUNTER: (ValueType.INT64,),
    Type.GAUGE: (ValueType.INT64,),
    Type.DISTRIBUTION: (ValueType.INT64, ValueType.DURATION),
}


class Statsd:
    """The adapter."""

    name: ClassVar[str] = "statsd"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((METRIC.name,))

    def defaults(self) -> Message:
        return Params(
            address=f"localhost:{DEFAULT_PORT}",
            flush_duration=Duration(nanos=300_000_000),
            flush_bytes=DEFAULT_BYTES,
            sampling_rate=1.0,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        yield from _wrong_link(params)
        for name, info in sorted(params.metrics.items()):
            yield from _wrong_metric(f"spec.params.metrics[{name}]", info)
        for spec in instances:
            yield from _wrong_instance(spec, params)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> MetricLines:
        writers: dict[str, LineWriter] = {}
        for spec in instances:
            info = params.metrics[spec.name]
            name = template(info.name_template) if info.name_template else None
            writers[spec.name] = LineWriter(spec, info.type, name, params.prefix, params.sampling_rate)
        datagrams = Datagrams(params.address, DEFAULT_PORT, params.flush_bytes or DEFAULT_BYTES)
        settings = DeliverySettings(batch_seconds=_seconds(params.flush_duration))
        return MetricLines(writers, datagrams, settings, environment)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)


def _wrong_link(params: Any) -> Iterable[Fault]:
    try:
        host_and_port(params.address, DEFAULT_PORT)
    except ValueError:
        text = f"{params.address!r} is no address: host:port, such as statsd.metrics:8125."
        yield Fault("spec.params.address", text)
    if _seconds(params.flush_duration) < 0:
        yield Fault("spec.params.flushDuration", "the time that lines wait must not be negative.")
    if not 0 <= params.flush_bytes <= MOST_BYTES:
        text = f"a datagram has at most {MOST_BYTES} bytes, and not {params.flush_bytes}; 0 means {DEFAULT_BYTES}."
        yield Fault("spec.params.flushBytes", text)
    if not 0 < params.sampling_rate <= 1:
        text = f"the share of values that is sent is above 0 and at most 1, and not {params.sampling_rate:g}."
        yield Fault("spec.params.samplingRate", text)


def _wrong_metric(path: str, info: Any) -> Iterable[Fault]:
    if info.type not in NUMBERS:
        yield Fault(f"{path}.type", "the type of a metric is COUNTER, GAUGE or DISTRIBUTION.")
    try:
        template(info.name_template)
    except TemplateError as error:
        yield Fault(f"{path}.nameTemplate", f"{error}.")


def _wrong_instance(spec: InstanceSpec, params: Any) -> Iterable[Fault]:
    if spec.name not in params.metrics:
        text = f"a rule reports {spec.name}, and no metric has that name."
        yield Fault("spec.params.metrics", text)
        return
    info, path = params.metrics[spec.name], f"spec.params.metrics[{spec.name}]"
    try:
        missing = template(info.name_template).names - set(spec.names.get("dimensions", ()))
    except TemplateError:
        missing = frozenset()
    if missing:
        text = f"the name takes {', '.join(sorted(missing))}, which {spec.name} does not have among its dimensions."
        yield Fault(f"{path}.nameTemplate", text)
    kind = spec.types.get("value")
    allowed = NUMBERS.get(info.type)
    if kind is not None and allowed is not None and kind not in allowed:
        text = f"the value of {spec.name} is {kind}, and must be {' or '.join(allowed)}."
        yield Fault(f"{path}.type", text)
