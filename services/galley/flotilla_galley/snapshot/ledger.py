"""Which version of each object counts: the one in its file if it is good, else the last good one.

An object goes when it is no longer written anywhere. It stays when that cannot be known: its file, its document or
the whole directory cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter
from pathlib import PurePath

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation.validate import Verdict
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

_BY_KEY = attrgetter("collection", "namespace", "name")


class State(StrEnum):
    """PUBLISHED: as its file has it. LAST_GOOD: an earlier version is distributed. REFUSED: nothing is."""

    PUBLISHED = "published"
    LAST_GOOD = "last-good"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source holds at one moment.

    `uncertain` are files of which some part could not be read, and folders: objects that came from them and are not
    seen now stay. `lost` says so of the whole source.
    """

    objects: tuple[tuple[SourceObject, Verdict], ...] = ()
    problems: tuple[Problem, ...] = ()
    uncertain: frozenset[str] = frozenset()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: where it is written, what is distributed of it, and what is wrong with it."""

    key: ObjectKey
    state: State
    file: str
    line: int
    item: ConfigObject | None
    problems: tuple[Problem, ...] = ()

    @property
    def place(self) -> str:
        """`file:line`, or the file alone where no line is known."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one source, by key, and the problems that belong to no object. Immutable: `read` gives the next.

    `changed` are the keys whose entry is not that of the ledger before, those that went included; None is all.
    `certain` are the objects of the reading, where each of them has exactly one entry.
    """

    entries: Mapping[ObjectKey, Entry] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    changed: frozenset[ObjectKey] | None = None
    certain: tuple[tuple[SourceObject, Verdict], ...] | None = None

    @property
    def items(self) -> Iterable[ConfigObject]:
        """What is to be distributed."""
        return (entry.item for entry in self.entries.values() if entry.item is not None)

    def read(self, reading: Reading) -> Ledger:
        """The ledger after a reading."""
        if reading.lost:
            return replace(self, problems=reading.problems, changed=frozenset())
        return self._same_objects(reading) or self._all_objects(reading)

    def _same_objects(self, reading: Reading) -> Ledger | None:
        """The next ledger where the same objects are written at the same places, and only some of them otherwise: what
        most readings are, and much cheaper. None for any other reading.
        """
        before, now = self.certain, reading.objects
        if before is None or len(before) != len(now) or reading.problems or reading.uncertain or self.problems:
            return None
        pairs = [(old[0], each) for old, each in zip(before, now, strict=True) if old[1] is not each[1]]
        if any(old.key != source.key or old.file != source.file for old, (source, _) in pairs):
            return None
        read = {source.key: self._entry(source, verdict) for _, (source, verdict) in pairs}
        fresh = {key: entry for key, entry in read.items() if entry is not self.entries.get(key)}
        return Ledger({**self.entries, **fresh}, (), frozenset(fresh), now)

    def _all_objects(self, reading: Reading) -> Ledger:
        entries: dict[ObjectKey, Entry] = {}
        duplicates: list[Problem] = []
        for source, verdict in self._own_file_first(reading.objects):
            first = entries.get(source.key)
            if first is not None:
                duplicates.append(_duplicate(source, first))
            else:
                entries[source.key] = self._entry(source, verdict)
        for key, entry in self.entries.items():
            if key not in entries and entry.item is not None and not reading.uncertain.isdisjoint(_around(entry.file)):
                entries[key] = _kept(entry, reading.problems)
        certain = reading.objects if len(entries) == len(reading.objects) and not duplicates else None
        ordered = {key: entries[key] for key in sorted(entries, key=_BY_KEY)}
        return Ledger(ordered, (*reading.problems, *duplicates), self._different(ordered), certain)

    def _different(self, entries: Mapping[ObjectKey, Entry]) -> frozenset[ObjectKey]:
        fresh = {key for key, entry in entries.items() if self.entries.get(key) is not entry}
        return frozenset(fresh.union(key for key in self.entries if key not in entries))

    def _own_file_first(self, objects: Iterable[tuple[SourceObject, Verdict]]) -> list[tuple[SourceObject, Verdict]]:
        """In the order of files and lines, but an object's own file before a newcomer: a copy changes nothing."""

        def order(pair: tuple[SourceObject, Verdict]) -> tuple[bool, str, int]:
            source = pair[0]
            known = self.entries.get(source.key)
            return known is None or known.file != source.file, source.file, source.line

        return sorted(objects, key=order)

    def _entry(self, source: SourceObject, verdict: Verdict) -> Entry:
        """The entry of an object; the one that there is, where nothing of it has changed."""
        known = self.entries.get(source.key)
        item = verdict.item if verdict.item is not None else known.item if known is not None else None
        if known is not None and known.item == item:
            item = known.item  # the same version is the same object for everybody behind this
        state = State.PUBLISHED if verdict.item is not None else State.REFUSED if item is None else State.LAST_GOOD
        entry = Entry(source.key, state, source.file, source.line, item, verdict.problems)
        return known if known is not None and known == entry else entry


def _around(file: str) -> frozenset[str]:
    """The file and the folders that it is in."""
    return frozenset((file, *map(str, PurePath(file).parents)))


def _kept(entry: Entry, problems: Iterable[Problem]) -> Entry:
    own = tuple(problem for problem in problems if problem.file in _around(entry.file))
    return replace(entry, state=State.LAST_GOOD, problems=own)


def _duplicate(source: SourceObject, first: Entry) -> Problem:
    text = (
        f"{source.kind.kind} {source.key.full_name} is already defined at {first.place}, which counts; "
        "remove one of the two"
    )
    return Problem("duplicate-object", "metadata.name", text, file=source.file, line=source.line_of("metadata.name"))
