"""Kubernetes' own objects in files: put aside while a file is read, and kept while it cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from flotilla_galley.sources.documents import Aside, created_ns
from flotilla_galley.sources.kubernetes_documents import is_kubernetes, kubernetes_object
from flotilla_galley.sources.plain import mapping
from flotilla_galley.transforms.kubernetes import KubernetesObject
from flotilla_shared.model.objects import Problem


def reader_of(file: str, kinds: frozenset[str], found: list[KubernetesObject]) -> Aside | None:
    """What `read_objects` is to offer the documents of a file; those of the kinds go to `found`."""
    if not kinds:
        return None

    def take(value: Any, line: int) -> bool:
        if not is_kubernetes(value, kinds):
            return False
        found.append(kubernetes_object(value, file, line, created_ns(mapping(value, "metadata", ""))))
        return True

    return take


class KubernetesFiles:
    """The objects of the last reading. One that is not seen now stays while its file cannot be read as a whole."""

    def __init__(self) -> None:
        self.objects: list[KubernetesObject] = []
        self.problems: list[Problem] = []

    def take(self, seen: Iterable[KubernetesObject], uncertain: Iterable[str]) -> None:
        """The next reading; the first of two objects of one name counts."""
        self.problems = []
        unread = set(uncertain)
        fresh: dict[tuple[str, str], KubernetesObject] = {}
        for each in seen:
            first = fresh.setdefault(_name(each), each)
            if first is not each:
                self.problems.append(_duplicate(each, first))
        for each in self.objects:
            if not unread.isdisjoint({each.origin.file, *map(str, PurePath(each.origin.file).parents)}):
                fresh.setdefault(_name(each), each)
        self.objects = list(fresh.values())


def _duplicate(each: KubernetesObject, first: KubernetesObject) -> Problem:
    kind, place = type(each).__name__, f"{first.origin.file}:{first.origin.line}"
    text = f"{kind} {each.origin.full_name} is already defined at {place}, which counts; remove one of the two"
    return Problem("duplicate-object", "metadata.name", text, file=each.origin.file, line=each.origin.line)


def _name(each: KubernetesObject) -> tuple[str, str]:
    return type(each).__name__, each.origin.full_name
