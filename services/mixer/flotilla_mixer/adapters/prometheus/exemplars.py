"""Exemplars: one traced call beside a value that it is counted in, as OpenMetrics has them.

A counter keeps the last one, and so does each bucket of a distribution. The dimensions that make one are no labels: each
call has its own, and a series for each would fill any Prometheus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flotilla_mixer.adapters.prometheus.names import encodable
from flotilla_mixer.kit.text import text_of

LONGEST = 128  # characters of all names and values of an exemplar together: OpenMetrics 1.0.0, "Exemplars"


class Exemplar(NamedTuple):
    """Labels with their names, sorted by these; the value that was written with them, and when, in seconds since 1970."""

    labels: tuple[tuple[str, str], ...]
    value: float
    moment: float


class ExemplarMaker:
    """Makes those of one instance. `places` say where each label of an exemplar is among the dimensions."""

    def __init__(self, places: Sequence[tuple[str, int]]) -> None:
        self._places = sorted(places)
        self._too_long = 0

    def make(self, dimensions: tuple[Any, ...], value: float, moment: float) -> Exemplar | None:
        """None for a call without such labels, and for one whose labels are too long: these are counted."""
        labels = tuple(
            [(name, text) for name, place in self._places if (text := encodable(text_of(dimensions[place])))]
        )
        if not labels:
            return None
        if sum([len(name) + len(text) for name, text in labels]) > LONGEST:
            self._too_long += 1
            return None
        return Exemplar(labels, value, moment)

    def take_too_long(self) -> int:
        """How many were too long since this was asked last."""
        found, self._too_long = self._too_long, 0
        return found
