"""The prometheus adapter: parameters to families, rows to values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.prometheus.exemplars import LONGEST, ExemplarMaker
from flotilla_mixer.adapters.prometheus.families import Family, FamilyStore
from flotilla_mixer.adapters.prometheus.faults import expiry_of, faults_of, seconds_of
from flotilla_mixer.adapters.prometheus.names import sanitise
from flotilla_mixer.adapters.prometheus.remote_write.settings import settings_of
from flotilla_mixer.adapters.prometheus.remote_write.writer import RemoteWriter
from flotilla_mixer.adapters.prometheus.rows import RowWriter
from flotilla_mixer.kit.adapter import Environment, Fault, ReportBatch
from flotilla_mixer.kit.secrets import SecretError
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params

SHORTEST_INTERVAL = 0.005  # seconds
MISFIT = "misfit"


class PrometheusHandler:
    """Writes rows into families, by writers for each instance."""

    def __init__(
        self,
        metrics: Mapping[str, Sequence[RowWriter]],
        release: Callable[[], None],
        environment: Environment,
        writer: RemoteWriter | None = None,
    ) -> None:
        self._metrics = metrics
        self._release: Callable[[], None] | None = release
        self._environment = environment
        self._writer = writer

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit, when all others are in. Those are counted as
        `misfit`.
        """
        wrong: list[str] = []
        for batch in batches:
            for writer in self._metrics.get(batch.instance.name, ()):
                self._write(writer, batch, wrong)
        if wrong:
            self._environment.dropped(MISFIT, len(wrong))
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def _write(self, writer: RowWriter, batch: ReportBatch, wrong: list[str]) -> None:
        dropped = writer.write(batch, wrong)
        if dropped and writer.family.closed:
            text = "values are dropped: another handler has since written the metric differently"
            self._environment.complain("replaced", text, metric=writer.family.name, values=dropped)
        elif dropped:
            text = "values are dropped: there are too many label sets"
            self._environment.complain("cardinality", text, metric=writer.family.name, values=dropped)
        if writer.exemplars is not None and (long := writer.exemplars.take_too_long()):
            text = f"exemplars are left out: their labels are longer than {LONGEST} characters; the values count"
            self._environment.complain("exemplar", text, metric=writer.family.name, exemplars=long)

    def close(self) -> Awaitable[None] | None:
        release, self._release = self._release, None
        if release is not None:
            release()
        return self._writer.close() if self._writer is not None else None


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
        return faults_of(params, instances)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> PrometheusHandler:
        """Takes the families of all metrics of the parameters, also of those that no rule reports yet."""
        families = self.store.acquire(params.metrics)
        metrics = {
            spec.name: [
                _writer(family, spec)
                for info, family in zip(params.metrics, families, strict=True)
                if info.instance_name == spec.name
            ]
            for spec in instances
        }
        writer = self._writer(params, families, environment) if params.HasField("remote_write") else None
        if expiry_of(params) > 0:
            environment.spawn(_expire(families, params), "expire")
        return PrometheusHandler(metrics, lambda: self.store.release(params.metrics), environment, writer)

    def _writer(self, params: Any, families: Sequence[Family], environment: Environment) -> RemoteWriter:
        """Raises SecretError; then nobody has the families any more."""

        def ending() -> list[Family]:
            pairs = zip(params.metrics, families, strict=True)
            return [family for info, family in pairs if self.store.is_last_user(info)]

        try:
            return RemoteWriter(families, ending, settings_of(params.remote_write), environment)
        except SecretError:
            self.store.release(params.metrics)
            raise


def _writer(family: Family, spec: InstanceSpec) -> RowWriter:
    names = spec.names.get("dimensions", ())
    places = {sanitise(name): place for place, name in enumerate(names)}
    order = tuple(places[label] for label in family.labels)
    rest = [(name, place) for name, place in places.items() if name not in family.labels]
    return RowWriter(family, order, len(names), ExemplarMaker(rest) if rest else None)


async def _expire(families: Sequence[Family], params: Any) -> None:
    """Look for what has expired, at the interval asked for or at half the expiry, and not more often than a page takes."""
    expiry = expiry_of(params)
    interval = seconds_of(params.metrics_expiration_policy.expiry_check_interval_duration) or expiry / 2
    while True:
        await asyncio.sleep(max(interval, SHORTEST_INTERVAL))
        for family in families:
            family.expire(time.monotonic() - expiry)
