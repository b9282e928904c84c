"""Which version of each object counts: the one in its file if it is good, else the last good one.

An object goes when it is no longer written anywhere. It stays when that cannot be known: its file, its document or
the whole directory cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation.validate import Verdict
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem


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
    """The entries of one source, by key, and the problems that belong to no object. Immutable: `read` gives the next."""

    entries: Mapping[ObjectKey, Entry] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def items(self) -> Iterable[ConfigObject]:
        """What is to be distributed."""
        return (entry.item for entry in self.entries.values() if entry.item is not None)

    def read(self, reading: Reading) -> Ledger:
        """The ledger after a reading."""
        if reading.lost:
            return replace(self, problems=reading.problems)
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
        return Ledger({key: entries[key] for key in sorted(entries)}, (*reading.problems, *duplicates))

    def _own_file_first(self, objects: Iterable[tuple[SourceObject, Verdict]]) -> list[tuple[SourceObject, Verdict]]:
        """In the order of files and lines, but an object's own file before a newcomer: a copy changes nothing."""

        def order(pair: tuple[SourceObject, Verdict]) -> tuple[bool, str, int]:
            source = pair[0]
            known = self.entries.get(source.key)
            return known is None or known.file != source.file, source.file, source.line

        return sorted(objects, key=order)

    def _entry(self, source: SourceObject, verdict: Verdict) -> Entry:
        if verdict.item is not None:
            return Entry(source.key, State.PUBLISHED, source.file, source.line, verdict.item, verdict.problems)
        known = self.entries.get(source.key)
        last_good = known.item if known is not None else None
        state = State.REFUSED if last_good is None else State.LAST_GOOD
        return Entry(source.key, state, source.file, source.line, last_good, verdict.problems)


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
