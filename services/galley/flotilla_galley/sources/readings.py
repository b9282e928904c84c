"""What a directory holds now: files read, objects made, validated."""

from __future__ import annotations

from pathlib import Path

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.sources.folder import FolderReading, read_folder
from flotilla_galley.validation.validate import Verdict, validate_object
from flotilla_shared.model.objects import Problem

MAX_CACHED_FILES = 10_000


class DirectorySource:
    """A directory of YAML. `read` blocks; a file whose text did not change is not parsed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parsed: dict[str, tuple[str, list[tuple[SourceObject, Verdict]], list[Problem]]] = {}
        self._had_files = False

    def remember_files(self) -> None:
        """There were objects before this process: a directory without any file is then a mistake, too."""
        self._had_files = True

    def read(self) -> Reading:
        """All objects now. Never raises: what cannot be read is a problem."""
        found = read_folder(self.folder)
        if not found.whole:
            return Reading(problems=found.problems, lost=True)
        if not found.texts and not found.unreadable:
            return self._empty()
        self._had_files = True
        return self._parse(found)

    def _empty(self) -> Reading:
        """No file at all: at the first start that is a beginning, later a mount that went away."""
        kept = "; what it held stays as it was" if self._had_files else ""
        text = f"the configuration directory holds no .yaml or .yml file{kept}"
        problem = Problem("directory-empty", "", text, "warning", file=str(self.folder))
        return Reading(problems=(problem,), lost=self._had_files)

    def _parse(self, found: FolderReading) -> Reading:
        objects: list[tuple[SourceObject, Verdict]] = []
        problems = list(found.problems)
        uncertain = set(found.unreadable)
        fresh = {}
        for name, text in found.texts.items():
            known = self._parsed.get(name)
            fresh[name] = known if known is not None and known[0] == text else _parse_file(name, text)
            objects += fresh[name][1]
            problems += fresh[name][2]
            if fresh[name][2]:
                uncertain.add(name)
        self._parsed = fresh
        return Reading(tuple(objects), tuple(problems), frozenset(uncertain))


def _parse_file(name: str, text: str) -> tuple[str, list[tuple[SourceObject, Verdict]], list[Problem]]:
    sources, problems = read_objects(name, text)
    return text, [(source, validate_object(source)) for source in sources], problems
