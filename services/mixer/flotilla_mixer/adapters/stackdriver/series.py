"""Rows of `metric` to series: rows that have the same labels are merged into one cell, and a cell becomes one point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.api.metric_pb2 import MetricDescriptor

from flotilla_mixer.adapters.stackdriver.messages import Monitoring
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.values import FIRST, ROWS, Cell, Kind, Shape, Type, shape_of
from flotilla_mixer.adapters.stackdriver.wire import clean, field
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import RESOURCE_DIMENSIONS
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import ValueType

OWN_TYPES = ("custom.googleapis.com/", "external.googleapis.com/", "workload.googleapis.com/")
PREFIX = OWN_TYPES[0]
GLOBAL = "global"
MESH_UID = "mesh_uid"
LONGEST_LABEL = 1024
BILLION, MILLISECOND = 1_000_000_000, 1_000_000
POINTS = 5  # the field of a TimeSeries
Key = tuple[Any, ...]


@dataclass(slots=True)
class Series:
    """A cell of a round that is over, and its interval (ns)."""

    writer: SeriesWriter
    key: Key
    cell: Cell
    start: int
    end: int

    @property
    def rows(self) -> int:
        return int(self.cell[ROWS])


class SeriesWriter:
    """The cells of one instance. `fixed` are labels that all its series have."""

    def __init__(self, spec: InstanceSpec, info: Any, fixed: Mapping[str, str], messages: Monitoring) -> None:
        self.cells: dict[Key, Cell] = {}
        self.metric_type = info.metric_type or PREFIX + spec.name
        self._spec = spec
        self._names = spec.names.get("dimensions", ())
        self._resource_names = spec.names.get(RESOURCE_DIMENSIONS, ())
        self._shape: Shape = shape_of(info)
        self._fixed = dict(fixed)
        self._messages = messages
        self._head = messages.series(
            metric_kind=written_kind(info.kind, self.metric_type), value_type=info.value, unit=self._unit(info)
        )
        self._gauge = info.kind == Kind.GAUGE
        self._heads: dict[Key, bytes] = {}  # what all points of a series have alike
        self._heads_of: Place | None = None

    def _unit(self, info: Any) -> str:
        """Of what the unit is known; a descriptor that Cloud Monitoring makes of the first point then has it."""
        if self._spec.types.get("value") != ValueType.DURATION or not self.metric_type.startswith(OWN_TYPES):
            return ""
        return {Type.INT64: "us", Type.DOUBLE: "ms", Type.DISTRIBUTION: "ms"}.get(info.value, "")

    def merge(self, batch: ReportBatch, now: int, room: int, wrong: list[str]) -> int:
        """How many rows found no room; what is wrong with rows goes to `wrong`, and the others are merged."""
        refused, cells, merge = 0, self.cells, self._shape.merge
        for value, kind, dimensions, of_resource in batch.rows:
            key: Key = (dimensions, of_resource, kind)
            try:
                try:
                    cell = cells.get(key)
                except TypeError:  # a map among them
                    key = (_texts(dimensions), _texts(of_resource), text_of(kind))
                    cell = cells.get(key)
                if cell is None:
                    if room <= 0:
                        refused += 1
                        continue
                    cell = self._begin(key, now, value)
                    room -= 1
                    cells[key] = cell
                else:
                    merge(cell, value)
            except (ValueError, OverflowError) as error:
                wrong.append(f"{batch.instance.name}: {error}")
        return refused

    def _begin(self, key: Key, now: int, value: object) -> Cell:
        dimensions, of_resource, _ = key
        if len(dimensions) != len(self._names) or len(of_resource) != len(self._resource_names):
            raise ValueError(f"{len(dimensions)} dimensions do not fit its {len(self._names)} labels")
        cell = self._shape.new(now)
        self._shape.merge(cell, value)
        return cell

    def drain(self, after: int, end: int) -> Iterator[Series]:
        """The cells as series that begin at a moment at the earliest, and end a millisecond later or more (ns)."""
        cells, self.cells = self.cells, {}
        for key, cell in cells.items():
            yield Series(self, key, cell, max(after, min(cell[FIRST], end - MILLISECOND)), end)

    def encode(self, series: Series, place: Place) -> bytes:
        """A TimeSeries with one point."""
        if place is not self._heads_of or len(self._heads) > 20_000:
            self._heads.clear()
            self._heads_of = place
        head = self._heads.get(series.key)
        if head is None:
            head = self._heads[series.key] = self._made(series.key, place)
        point = self._messages.point()
        _moment(point.interval.end_time, series.end)
        if not self._gauge:
            _moment(point.interval.start_time, series.start)
        self._shape.write(series.cell, point.value)
        return head + field(POINTS, point.SerializeToString())

    def _made(self, key: Key, place: Place) -> bytes:
        dimensions, of_resource, kind = key
        found = self._messages.series()
        found.CopyFrom(self._head)
        found.metric.type = self.metric_type
        found.metric.labels.update(_labels(self._names, dimensions) | self._fixed)
        found.resource.type = clean(kind, LONGEST_LABEL) if isinstance(kind, str) and kind else GLOBAL
        labels = {"project_id": place.project}
        if found.resource.type != GLOBAL:
            labels = place.filled(_labels(self._resource_names, of_resource))
        found.resource.labels.update(labels)
        return bytes(found.SerializeToString())


def fixed_labels(params: Any, host: str) -> dict[str, str]:
    """Labels of the handler's own: of the mesh, and of the Mixer that writes, by its host."""
    found = {MESH_UID: params.mesh_uid, params.replica_label: host}
    return {name: clean(value, LONGEST_LABEL) for name, value in found.items() if name and value}


def written_kind(kind: int, metric_type: str) -> int:
    """Cloud Monitoring takes no DELTA of types that are not Google's; what does not overlap reads the same as CUMULATIVE."""
    delta = kind == Kind.DELTA and metric_type.startswith(OWN_TYPES)
    return int(MetricDescriptor.CUMULATIVE if delta else kind)


def _labels(names: Sequence[str], values: Sequence[object]) -> dict[str, str]:
    return {
        name: clean(value if isinstance(value, str) else text_of(value), LONGEST_LABEL)
        for name, value in zip(names, values, strict=True)
    }


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(text_of, values))


def _moment(target: Any, nanoseconds: int) -> None:
    target.seconds, target.nanos = divmod(nanoseconds, BILLION)
