"""What a directory holds now: files read, objects made, validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.documents import SourceObject, read_objects_of_part
from flotilla_galley.sources.folder import FolderReading, read_again, read_folder
from flotilla_galley.sources.kubernetes_files import KubernetesFiles, reader_of
from flotilla_galley.sources.verdicts import verdict_of
from flotilla_galley.sources.watching import News
from flotilla_galley.sources.yaml_documents import Part, parts_of
from flotilla_galley.transforms.kubernetes import KubernetesObject
from flotilla_galley.validation.validate import Verdict
from flotilla_shared.model.objects import Problem


@dataclass(frozen=True, slots=True)
class _Judged:
    """One document: what it holds, and what it holds that nobody can read."""

    objects: tuple[tuple[SourceObject, Verdict], ...]
    kubernetes: tuple[KubernetesObject, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Parsed:
    """One file: its text, and its documents in order, each as it was judged when it was first seen at its line."""

    text: str
    documents: Mapping[Part, _Judged]
    objects: tuple[tuple[SourceObject, Verdict], ...]
    kubernetes: tuple[KubernetesObject, ...]
    problems: tuple[Problem, ...]


class DirectorySource:
    """A directory of YAML. `read` blocks; a document whose text and place did not change is not parsed again, and where
    `told` (see News) has said which files have changed since, only those are looked at.

    Documents of Kubernetes' own kinds are put aside for the transforms, if they are of `kinds`: else they are problems.
    """

    def __init__(self, folder: Path, kinds: frozenset[str] = frozenset()) -> None:
        self.folder = folder
        self.state = "not read yet"
        self.reading = Reading()
        self._kubernetes = KubernetesFiles()
        self._kinds = kinds
        self._found = FolderReading()
        self._parsed: dict[str, _Parsed] = {}
        self._had_files = False
        self._news = News()
        self.told = self._news.told

    def remember_files(self) -> None:
        """There were objects before this process: a directory without any file is then a mistake, too."""
        self._had_files = True

    def read(self) -> Reading:
        """All objects now. Never raises: what cannot be read is a problem."""
        reading = self.reading = self._read()
        lost = "lost: what it held stays; " if reading.lost else ""
        files, problems = len(self._parsed), len(reading.problems)
        self.state = f"{lost}{files} files, {len(reading.objects)} objects, {problems} problems of files and documents"
        return reading

    def kubernetes_objects(self) -> tuple[Sequence[KubernetesObject], Sequence[Problem]]:
        """What was put aside in the last reading; one of two of the same name, and that there are two."""
        return self._kubernetes.objects, self._kubernetes.problems

    def _read(self) -> Reading:
        found = self._look()
        if not found.whole:
            return Reading(problems=found.problems, lost=True)
        self._found = found
        if not found.texts and not found.unreadable:
            return self._empty()
        self._had_files = True
        return self._parse(found)

    def _look(self) -> FolderReading:
        """What the folder holds; by a glance at some of its files if nothing else can have changed."""
        named = self._news.take()
        again = read_again(self.folder, self._found, named) if named is not None else None
        found = again or read_folder(self.folder, self._found)
        if not found.whole:
            self._news.told(None)
        return found

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
        fresh: dict[str, _Parsed] = {}
        for name, text in found.texts.items():
            known = self._parsed.get(name)
            fresh[name] = known if known is not None and known.text == text else self._parse_file(name, text, known)
            objects += fresh[name].objects
            problems += fresh[name].problems
            if fresh[name].problems:
                uncertain.add(name)
        self._parsed = fresh
        self._kubernetes.take([each for parsed in fresh.values() for each in parsed.kubernetes], uncertain)
        return Reading(tuple(objects), tuple(problems), frozenset(uncertain))

    def _parse_file(self, name: str, text: str, before: _Parsed | None) -> _Parsed:
        known = before.documents if before is not None else {}
        documents = {part: known.get(part) or self._judge(name, part) for part in parts_of(text)}
        each = documents.values()
        return _Parsed(
            text,
            documents,
            tuple(chain.from_iterable(judged.objects for judged in each)),
            tuple(chain.from_iterable(judged.kubernetes for judged in each)),
            tuple(chain.from_iterable(judged.problems for judged in each)),
        )

    def _judge(self, name: str, part: Part) -> _Judged:
        kubernetes: list[KubernetesObject] = []
        sources, problems = read_objects_of_part(name, part, reader_of(name, self._kinds, kubernetes))
        judged = tuple((source, verdict_of(source)) for source in sources)
        return _Judged(judged, tuple(kubernetes), tuple(problems))
