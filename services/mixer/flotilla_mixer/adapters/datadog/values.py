"""Rows of `metric` merged into points: one of a series in each round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from flotilla_mixer.adapters.datadog.points import Point, distribution_points, series_point
from flotilla_mixer.adapters.datadog.vocabulary import TagMaker, full_name
from flotilla_mixer.kit.counters import FULL
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.flotilla.mixer.adapter.datadog.config_pb2 import Params
from flotilla_shared.model.expressions import Duration

Type = Params.Metric.Type
VALUE, DIMENSIONS = 0, 2  # places in a row
MILLISECOND = 1_000_000
MOST = 1e300  # of one value, so that a sum of them is a number
MOST_WHOLE = 2**53  # above it a whole number is looked at more closely
CARDINALITY = "cardinality"  # why entries are dropped: too many series
MOST_REMEMBERED = 10_000
VALUES_AT_ONCE = 10_000  # of a distribution in one point


class Room:
    """How many series and values of distributions a handler may hold in a round, all its instances together."""

    def __init__(self, series: int, values: int) -> None:
        self.series = series
        self.values = values


class Cell:
    """What a series has so far: `number` entries, their sum or the last one, or all of a distribution."""

    __slots__ = ("number", "total", "values")

    def __init__(self) -> None:
        self.number = 0
        self.total = 0.0
        self.values: list[float] = []


class Merged:
    """The series of one instance in this round. `host` and `tags` are those of all."""

    def __init__(self, spec: InstanceSpec, info: Any, prefix: str, host: str, tags: Mapping[str, str]) -> None:
        names = spec.names.get("dimensions", ())
        self._spec = spec
        self._kind = info.type
        self._width = len(names)
        self._maker = TagMaker(names, {**tags, **info.tags})
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._tags: dict[tuple[object, ...], list[str]] = {}  # those that were made already
        self._fixed: dict[str, Any] = {"metric": full_name(prefix, info.name)}
        self._host = host
        if info.unit:
            self._fixed["unit"] = info.unit
        resources = [{"type": "host", "name": host}] if host else []
        resources += [{"type": kind, "name": name} for kind, name in sorted(info.resources.items())]
        if resources:
            self._fixed["resources"] = resources

    def merge(self, rows: Sequence[tuple[Any, ...]], room: Room, wrong: list[str]) -> tuple[int, dict[str, int]]:
        """How many rows fit, and how many of these there was no room for, by cause. What is wrong with the others goes to
        `wrong`.
        """
        fitting, refused, cells = 0, dict[str, int](), self._cells
        sums, width = self._kind in (Type.COUNT, Type.RATE), self._width
        for row in rows:
            value, dimensions = row[VALUE], row[DIMENSIONS]
            try:
                number = self._number(value) if type(value) is not int or abs(value) > MOST_WHOLE else value
                if len(dimensions) != width:
                    raise ValueError(f"{len(dimensions)} dimensions do not fit the {width} of {self._spec.name}")
                try:
                    cell = cells.get(dimensions)
                except TypeError:  # a map among them
                    dimensions = tuple(map(text_of, dimensions))
                    cell = cells.get(dimensions)
            except ValueError as error:
                wrong.append(str(error))
                continue
            fitting += 1
            if sums and cell is not None:
                cell.number += 1
                cell.total += number
            elif cause := self._add(cell, dimensions, number, room):
                refused[cause] = refused.get(cause, 0) + 1
        return fitting, refused

    def _number(self, value: object) -> float:
        """Durations in milliseconds, as DogStatsD has them. Raises ValueError for what is none, or too much to be added."""
        if isinstance(value, Duration):
            number = value / MILLISECOND
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value) if abs(value) <= MOST else inf
        else:
            number = inf
        if not isfinite(number):
            raise ValueError(f"{text_of(value)!r} is no number, as {self._spec.name} needs one")
        return number

    def _add(self, cell: Cell | None, dimensions: tuple[object, ...], number: float, room: Room) -> str:
        """The cause why there is no room; empty when it is merged."""
        if self._kind == Type.DISTRIBUTION and room.values <= 0:
            return FULL
        if cell is None:
            if room.series <= 0:
                return CARDINALITY
            room.series -= 1
            cell = self._cells[dimensions] = Cell()
        cell.number += 1
        if self._kind == Type.DISTRIBUTION:
            room.values -= 1
            cell.values.append(number)
        else:
            cell.total = number if self._kind == Type.GAUGE else cell.total + number
        return ""

    def drain(self, moment: int, interval: int) -> Iterator[Point]:
        """The points of this round, of this second, for which values were merged so long; the next begins empty."""
        cells, self._cells = self._cells, {}
        for dimensions, cell in cells.items():
            shown = self._fixed | {"tags": self._tags_of(dimensions)}
            if self._kind == Type.DISTRIBUTION:
                for begin in range(0, len(cell.values), VALUES_AT_ONCE):
                    yield distribution_points(shown, self._host, moment, cell.values[begin : begin + VALUES_AT_ONCE])
            else:
                value = cell.total / interval if self._kind == Type.RATE else cell.total
                yield series_point(shown, self._kind, moment, interval, value, cell.number)

    def _tags_of(self, dimensions: tuple[object, ...]) -> list[str]:
        found = self._tags.get(dimensions)
        if found is None:
            if len(self._tags) >= MOST_REMEMBERED:
                self._tags.clear()
            found = self._tags[dimensions] = self._maker.tags(dimensions)
        return found
