"""The objects of the files that somebody wants to apply, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla_cli.difference.items import Item, item_of
from flotilla_cli.difference.secrets import is_secret
from flotilla_galley.offline.judge import Finding, finding
from flotilla_galley.sources.documents import SourceObject, Unusable, kind_by_version, objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.kinds import KINDS, Kind
from flotilla_shared.model.objects import ObjectKey

_FOREIGN = "foreign-kind"
_GROUPS = frozenset(kind.group for kind in KINDS if kind.written)


@dataclass(slots=True)
class Wanted:
    """`faults` are (severity, object, finding) in order; objects with an error are among `refused`, not among `items`.

    `unknown` counts documents of which nobody can say which object they are.
    """

    items: dict[ObjectKey, Item] = field(default_factory=dict)
    faults: list[tuple[str, str, Finding]] = field(default_factory=list)
    refused: set[ObjectKey] = field(default_factory=set)
    unknown: int = 0
    foreign: int = 0

    @property
    def errors(self) -> int:
        return sum(severity == "error" for severity, _, _ in self.faults)


def read_wanted(texts: Iterable[tuple[str, str]]) -> Wanted:
    """Every document of these (file, text); objects of kinds that Galley does not read are counted, and that is all."""
    found = Wanted()
    for file, text in texts:
        for document in read_documents(text, columns=True):
            if isinstance(document, YamlError):
                found.unknown += 1
                broken = f"this document is not YAML: {document.text}"
                found.faults.append(
                    ("error", "document", Finding("broken-yaml", "", file, document.line, document.column, broken, ""))
                )
            else:
                _document(found, file, document)
    return found


def _document(found: Wanted, file: str, document: YamlDocument) -> None:
    sources, problems = objects_of(file, document, _own_kind)
    for problem in problems:
        if problem.code == _FOREIGN:
            found.foreign += 1
        else:
            found.unknown += 1
            found.faults.append(("error", "document", shown_fault(finding(problem, document))))
    for source in sources:
        _object(found, document, source)


def _object(found: Wanted, document: YamlDocument, source: SourceObject) -> None:
    item = item_of(source, f"{source.file}:{source.line}")
    about = f"{source.kind.kind} {source.key.full_name}"
    verdict = validate_object(source)
    for problem in verdict.problems:
        found.faults.append((problem.severity, about, shown_fault(finding(problem, document, source))))
    if source.key in found.items:
        before, line = found.items[source.key].place, source.line_of("metadata.name")
        text = f"the object is there twice, first at {before}"
        found.faults.append(
            ("error", about, Finding("duplicate-object", "metadata.name", source.file, line, 1, text, ""))
        )
    elif item is not None and verdict.item is not None:
        found.items[source.key] = item
    else:
        found.refused.add(source.key)


def shown_fault(fault: Finding) -> Finding:
    """A fault of a secret's field says nothing of its value."""
    names = re.split(r"[.\[\]]+", fault.field)
    if not any(map(is_secret, names)):
        return fault
    return replace(fault, message="its value, which is hidden, is not right", hint="")


def _own_kind(value: Mapping[str, Any]) -> Kind:
    """A kind that Galley reads. Raises Unusable; with a code of its own where another tool reads it."""
    group = str(value.get("apiVersion", "")).partition("/")[0]
    if value.get("kind") and value.get("apiVersion") and group not in _GROUPS and not group.endswith(".istio.io"):
        raise Unusable(_FOREIGN, "kind", "another tool reads it")
    return kind_by_version(value)
