"""Metric families, and the one place where all prometheus handlers have theirs.

A family lives as long as some handler refers to it, so a changed handler that still has a metric goes on with
its values; a metric that is written differently begins anew, and the others do not.

Label values come from requests, so their number is bounded: over the limit a new label set is not taken, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flotilla_mixer.adapters.prometheus.names import metric_name
from flotilla_mixer.adapters.prometheus.series import Kind, Labels, Series, family_of

SERIES_LIMIT = 20_000
LABEL_LENGTH = 1024  # of a value; what is longer is cut, so that one request cannot fill the memory

__all__ = ["SERIES_LIMIT", "Family", "FamilyStore", "Kind", "Labels"]


class Family:
    """One metric with all its label sets."""

    def __init__(self, info: Any, store: FamilyStore) -> None:
        self.shape = family_of(info)
        self.name, self.kind, self.labels = self.shape.name, self.shape.kind, self.shape.labels
        self.closed = False
        self._store = store
        self._series: dict[Labels, Series] = {}

    def __len__(self) -> int:
        return len(self._series)

    def find(self, labels: Labels) -> Series | None:
        """The series of these values, made if it is new; None where none may be added."""
        found = self._series.get(labels)
        if found is None and not self.closed and self._store.has_room():
            found = self._series[labels] = self.shape.new(tuple([value[:LABEL_LENGTH] for value in labels]))
            self._store.count += 1
        return found

    def drop(self, number: int) -> None:
        """So many values were not taken."""
        self._store.drop(self.name, number)

    def expire(self, before: float) -> int:
        """Forget label sets that were last written before this time (monotonic); a later use begins at 0."""
        old = [labels for labels, series in self._series.items() if series.touched < before]
        for labels in old:
            self._series.pop(labels).gone = True
        self._store.count -= len(old)
        return len(old)

    def close(self) -> None:
        """Nothing is recorded or shown any more."""
        self.closed = True
        self._store.count -= len(self._series)
        for series in self._series.values():
            series.gone = True
        self._series.clear()

    def series(self) -> list[Series]:
        """What there is at this moment."""
        return list(self._series.values())


class FamilyStore:
    """The families of all handlers, counted by their users. `count` is the number of their label sets, which stays
    at or below `limit`; `on_drop` hears the metric and how many values were not taken.
    """

    def __init__(self, limit: int = SERIES_LIMIT) -> None:
        self.limit = limit
        self.count = 0
        self.on_drop: Callable[[str, int], None] = lambda _name, _number: None
        self._families: dict[str, tuple[bytes, Family]] = {}
        self._users: dict[bytes, int] = {}

    def has_room(self) -> bool:
        return self.count < self.limit

    def drop(self, name: str, number: int) -> None:
        self.on_drop(name, number)

    def families(self) -> list[Family]:
        return [family for _, family in self._families.values()]

    def acquire(self, infos: Sequence[Any]) -> list[Family]:
        """The families of these definitions; those that are there already as written go on. Raises ValueError."""
        taken: list[Any] = []
        try:
            return [self._take(info, taken) for info in infos]
        except ValueError:
            self.release(taken)
            raise

    def _take(self, info: Any, taken: list[Any]) -> Family:
        written, name = info.SerializeToString(deterministic=True), metric_name(info)
        known = self._families.get(name)
        if known is not None and known[0] != written:
            known[1].close()  # the handler that wrote it so is about to be closed, or wrote the same name
            known = None
        if known is None:
            known = self._families[name] = (written, Family(info, self))
        self._users[written] = self._users.get(written, 0) + 1
        taken.append(info)
        return known[1]

    def is_last_user(self, info: Any) -> bool:
        """Whether the family of this definition ends when one more handler releases it."""
        return self._users.get(info.SerializeToString(deterministic=True), 0) <= 1

    def release(self, infos: Iterable[Any]) -> None:
        """A handler needs them no longer."""
        for info in infos:
            written, name = info.SerializeToString(deterministic=True), metric_name(info)
            self._users[written] = self._users.get(written, 1) - 1
            if self._users[written] > 0:
                continue
            del self._users[written]
            known = self._families.get(name)
            if known is not None and known[0] == written:
                known[1].close()
                del self._families[name]

    def expire(self, before: float) -> int:
        return sum(family.expire(before) for family in self.families())
