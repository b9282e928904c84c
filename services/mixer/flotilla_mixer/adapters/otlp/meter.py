"""Rows of `metric`, added up by label set: the source of the rounds in which they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from typing import Any

from flotilla_mixer.adapters.otlp.attributes import AttributesWriter
from flotilla_mixer.adapters.otlp.requests import Entry, encoded_request
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_mixer.adapters.otlp.streams import Series, Stream
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.http import OVERLOADED
from flotilla_mixer.kit.text import number_of, text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.expressions import Duration, ValueType

VALUE, RESOURCE_TYPE, DIMENSIONS, RESOURCE = range(4)  # places in a row
LONGEST_LABEL = 1_024  # characters of a dimension
SPARE = 1_000  # rows' dimensions that are remembered, beside as many as there are label sets
MOST = 1e300  # of one value: sums stay numbers
MOST_INT = 2**63 - 1
PASSING = frozenset((UNREACHABLE, TIMEOUT, OVERLOADED))  # causes after which the next round has what this one had
TEXTS = frozenset((ValueType.STRING, ValueType.IP_ADDRESS))


class Meter:
    """All label sets of a handler, at most `limit`. `clock` gives nanoseconds since 1970; `expiry` is in nanoseconds, 0 for
    none.
    """

    def __init__(self, limit: int, expiry: int, clock: Callable[[], int]) -> None:
        self.started = self.now = clock()
        self._limit = limit
        self._expiry = expiry
        self._clock = clock
        self._series: dict[tuple[str, bytes, bytes], Series] = {}

    def __len__(self) -> int:
        return len(self._series)

    def find(self, stream: Stream, resource: bytes, attributes: bytes) -> Series | None:
        """The label set, made if it is new; None where there is no room for one more. It begins when the last round was,
        for nothing of it was there before.
        """
        key = (stream.name, resource, attributes)
        found = self._series.get(key)
        if found is None and len(self._series) < self._limit:
            found = self._series[key] = Series(stream, resource, attributes, self.now)
        if found is not None:
            found.ended = False  # one that is about to be forgotten goes on
        return found

    def _tick(self) -> int:
        """The time, which never stands still: no two points of a label set have the same."""
        self.now = max(self._clock(), self.now + 1)
        return self.now

    # of Source

    def collect(self) -> list[Series]:
        """With delta those that have something new, otherwise all, with a last point of those that expire now."""
        self._forget()
        found = [each for each in self._series.values() if each.rows or not each.stream.delta]
        found.sort(key=lambda each: (each.resource, each.stream.name))
        return found

    def _forget(self) -> None:
        now = self._clock()
        for key, series in list(self._series.items()):
            if series.ended or (self._expiry and not series.unsettled and now - series.touched > self._expiry):
                if series.ended or series.stream.delta:
                    del self._series[key]
                series.ended = True

    def size(self, item: Series) -> int:
        return item.size

    def settle(self, items: Iterable[Series], cause: str | None) -> int:
        if cause not in PASSING:
            return sum(series.settle() for series in items)
        for series in items:
            series.put_back()
        return 0

    def rest(self) -> int:
        return sum(series.unsettled for series in self._series.values())

    # what is sent

    def request(self, items: Sequence[Series]) -> bytes:
        """Of a batch as it stands now: a second try has what came since the first."""
        now = self._tick()
        metrics: dict[tuple[bytes, Stream], list[bytes]] = {}
        for series in items:
            metrics.setdefault((series.resource, series.stream), []).append(series.take(now))
        return encoded_request(Entry(resource, stream.metric(points)) for (resource, stream), points in metrics.items())


class MetricWriter:
    """Adds the rows of one instance to a stream."""

    def __init__(self, spec: InstanceSpec, stream: Stream, resources: ResourceWriter, meter: Meter) -> None:
        names = spec.names.get("dimensions", ())
        self._spec = spec
        self._stream = stream
        self._resources = resources
        self._meter = meter
        self._attributes = AttributesWriter(names, stream.form.point, LONGEST_LABEL)
        types = spec.map_types.get("dimensions", {})
        self._texts = all(types.get(name) in TEXTS for name in names)
        self._known: dict[Any, Series] = {}

    def write(self, batch: ReportBatch, wrong: list[str]) -> tuple[int, int]:
        """How many rows were added and how many had no room; what is wrong with the others goes to `wrong`."""
        added = refused = 0
        now = self._meter.now
        for row in batch.rows:
            try:
                number = self._number(row[VALUE])
                series = self._find(row)
            except (ValueError, OverflowError) as error:
                wrong.append(f"{self._spec.name}: {error}")
                continue
            if series is None:
                refused += 1
                continue
            series.add(number)
            series.touched = now
            added += 1
        return added, refused

    def _number(self, value: object) -> int | float:
        """Whole numbers stay whole, durations are in seconds, texts are read. Raises ValueError."""
        if isinstance(value, int) and not isinstance(value, (bool, Duration)) and abs(value) <= MOST_INT:
            number: int | float = int(value)
        else:
            number = _finite(value)
        if number < 0 and not self._stream.form.falls:
            raise ValueError(f"{number} is below zero, and {self._stream.name} cannot fall")
        return number

    def _find(self, row: tuple[Any, ...]) -> Series | None:
        """By what the row gives, as it comes; a new one by what that encodes to."""
        dimensions, resource = row[DIMENSIONS], row[RESOURCE]
        key: Any = dimensions
        if resource or row[RESOURCE_TYPE] or not self._texts:
            # 1, 1.0 and true are equal and not alike
            key = (dimensions, tuple(map(type, dimensions)), row[RESOURCE_TYPE], resource, tuple(map(type, resource)))
        try:
            found = self._known.get(key)
        except TypeError:  # a map among them
            return self._made(row)
        if found is None or found.ended:
            found = self._made(row)
            if len(self._known) > 2 * len(self._meter) + SPARE:
                self._known.clear()
            if found is not None:
                self._known[key] = found
        return found

    def _made(self, row: tuple[Any, ...]) -> Series | None:
        resource = self._resources.write(row[RESOURCE_TYPE], row[RESOURCE])
        return self._meter.find(self._stream, resource, self._attributes.write(row[DIMENSIONS]))


def _finite(value: object) -> float:
    try:
        number = number_of(value)
    except ValueError:
        number = nan
    if not abs(number) <= MOST:
        raise ValueError(f"{text_of(value)[:100]!r} is no number that can be added up")
    return number


def writers_of(
    specs: Iterable[InstanceSpec], params: Any, resources: Mapping[str, ResourceWriter], meter: Meter, *, delta: bool
) -> dict[str, MetricWriter]:
    """By the full names of instances."""
    found = {}
    for spec in specs:
        stream = Stream(spec, params.metrics[spec.name], delta=delta)
        found[spec.name] = MetricWriter(spec, stream, resources[spec.name], meter)
    return found
