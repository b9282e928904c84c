"""A label set as series of remote write: one of a counter or gauge; of a distribution one for each bucket, sum and count.

Labels are sorted by name, as the specification asks: those before the name of the metric (they begin with a capital), the
name, those up to `le`, the bound of a bucket, and the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from flotilla_mixer.adapters.prometheus.remote_write import wire
from flotilla_mixer.adapters.prometheus.series import DistributionShape, Kind, Series, Shape, open_number

NAME, BOUND = "__name__", "le"
UNKNOWN, COUNTER, GAUGE, HISTOGRAM = 0, 1, 2, 3  # MetricType
TYPES = {"counter": COUNTER, "gauge": GAUGE, "histogram": HISTOGRAM, "unknown": UNKNOWN}


class Labels(NamedTuple):
    """The labels of a label set as bytes, in three parts: names and bounds come between."""

    head: bytes
    middle: bytes
    tail: bytes


class FamilyEncoder:
    """Encodes the series of one family. `external` are labels of all series; those of the family go before them."""

    def __init__(self, shape: Shape, external: Mapping[str, str]) -> None:
        self.shape = shape
        places = {name: place for place, name in enumerate(shape.labels)}
        fixed = {name: wire.label(name, value) for name, value in external.items() if name not in places}
        names = sorted({*places, *fixed})
        self._parts = [
            [(name, places.get(name, -1), fixed.get(name, b"")) for name in names if _part(name) == part]
            for part in range(3)
        ]
        self._name = wire.label(NAME, shape.name)
        self._sum, self._count = (wire.label(NAME, f"{shape.name}_{end}") for end in ("sum", "count"))
        self._bucket = wire.label(NAME, f"{shape.name}_bucket")
        bounds = (*shape.bounds, inf) if isinstance(shape, DistributionShape) else ()
        self._bounds = [wire.label(BOUND, open_number(bound)) for bound in bounds]
        self.samples = len(bounds) + 2 if bounds else 1

    def labels(self, series: Series) -> Labels:
        """To be made once a label set, and kept."""
        return Labels(*(self._joined(part, series.values) for part in self._parts))

    def _joined(self, part: Iterable[tuple[str, int, bytes]], values: Sequence[str]) -> bytes:
        return b"".join([fixed if place < 0 else wire.label(name, values[place]) for name, place, fixed in part])

    def encode(self, series: Series, labels: Labels, when: bytes, since: float) -> bytes:
        """Its values at this moment, with exemplars that are newer than `since` (seconds since 1970)."""
        exemplars = [each if each and each.moment > since else None for each in series.exemplars or ()]
        if self.shape.kind != Kind.DISTRIBUTION:
            exemplar = exemplars[0] if exemplars else None
            return wire.series(self._named(labels, self._name), series.value, when, exemplar)
        total, found = 0, []
        head, tail = labels.head + self._bucket + labels.middle, labels.tail
        for place, bound in enumerate(self._bounds):
            total += series.counts[place]
            exemplar = exemplars[place] if exemplars else None
            found.append(wire.series(b"".join((head, bound, tail)), total, when, exemplar))
        found.append(wire.series(self._named(labels, self._sum), series.value, when))
        found.append(wire.series(self._named(labels, self._count), total, when))
        return b"".join(found)

    def ended(self, labels: Labels, when: bytes) -> bytes:
        """What says that there will be no more values."""
        if self.shape.kind != Kind.DISTRIBUTION:
            return wire.series(self._named(labels, self._name), None, when)
        head, tail = labels.head + self._bucket + labels.middle, labels.tail
        found = [b"".join((head, bound, tail)) for bound in self._bounds]
        found += [self._named(labels, self._sum), self._named(labels, self._count)]
        return b"".join([wire.series(each, None, when) for each in found])

    def metadata(self) -> bytes:
        """Name and type as OpenMetrics has them: what Prometheus writes of a page that it has scraped."""
        name, kind = self.shape.open_name_and_type
        return wire.metadata(TYPES[kind], name, self.shape.help)

    def _named(self, labels: Labels, name: bytes) -> bytes:
        return b"".join((labels.head, name, labels.middle, labels.tail))


def _part(name: str) -> int:
    return 0 if name < NAME else 1 if name < BOUND else 2
