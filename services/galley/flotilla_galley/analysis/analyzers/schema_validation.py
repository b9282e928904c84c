"""Each object by itself, as Galley judges it before it is distributed."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation.unreachable import INEFFECTIVE, UNREACHABLE
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.kinds import WRITTEN, Kind, by_collection, kind_of
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.model.objects import ObjectKey, Problem


def analyzer_of(kind: Kind) -> Analyzer:
    """The analyzer of one kind of Istio's."""
    name, description = f"schema.ValidationAnalyzer.{kind.kind}", f"whether each {kind.kind} is valid by itself"
    return Analyzer(name, description, (kind.collection,), {kind.collection: look})


def look(resource: Resource, view: View) -> Iterator[Message]:
    kind = by_collection(resource.key.collection)
    assert kind is not None
    if kind_of(f"{resource.group}/{resource.version}", resource.kind) is None:
        known = ", ".join(kind.api_versions)
        problem = f"{kind.kind} has no apiVersion {resource.group}/{resource.version}; it has {known}"
        yield tell("SchemaValidationError", resource, "apiVersion", field="apiVersion", problem=problem)
        return
    for each in validate_object(_source(resource, kind)).problems:
        yield _told(each, resource)


def _source(resource: Resource, kind: Kind) -> SourceObject:
    return SourceObject(
        kind=kind,
        key=ObjectKey(kind.collection, resource.namespace, resource.name),
        spec=resource.written_spec,
        labels=resource.labels,
        annotations=resource.annotations,
        create_time_ns=0,
        file=resource.file,
        document=resource.document,
        prefix=resource.prefix,
    )


def _told(problem: Problem, resource: Resource) -> Message:
    field = problem.field
    if problem.code == UNREACHABLE:
        return tell("VirtualServiceUnreachableRule", resource, field, rule=field, reason=problem.text)
    if problem.code == INEFFECTIVE:
        return tell("VirtualServiceIneffectiveMatch", resource, field, match=field, reason=problem.text)
    name = "SchemaValidationError" if problem.severity == "error" else "SchemaWarning"
    return tell(name, resource, field, field=field, problem=problem.text)


# Adapters' own kinds of before 1.1 hold whatever their adapter takes: nobody here can judge that.
ANALYZERS = tuple(analyzer_of(kind) for kind in WRITTEN if not kind.collection.startswith(LEGACY_PREFIX))
