"""Annotations that Istio does not know, not there, not with that value, or not for long."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.annotation_values import wrong_value
from flotilla_galley.analysis.annotations import ANY, OF_1_4, TODAY, Annotation, is_istios
from flotilla_galley.analysis.kinds import DEPLOYMENTS, NAMESPACES, PODS, SERVICES
from flotilla_galley.analysis.membership import INJECT
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource

_READS = (DEPLOYMENTS, NAMESPACES, PODS, SERVICES)
_INSTEAD = {INJECT: f"; use the label {INJECT}"}


def today(resource: Resource, view: View) -> Iterator[Message]:
    for name, value in sorted(resource.annotations.items()):
        known = TODAY.get(name)
        if known is None:
            yield from _unknown(resource, name)
            continue
        if known.deprecated and not (name == INJECT and INJECT in resource.labels):
            instead = _INSTEAD.get(name, "")
            yield tell("DeprecatedAnnotation", resource, _field(name), annotation=name, instead=instead)
        if not _fits(known, resource):
            yield _misplaced(resource, name, known)
        elif problem := wrong_value(name, value):
            yield tell("InvalidAnnotation", resource, _field(name), annotation=name, problem=problem)


def of_1_4(resource: Resource, view: View) -> Iterator[Message]:
    """1.4 looked at no value."""
    for name in sorted(resource.annotations):
        known = OF_1_4.get(name)
        if known is None:
            yield from _unknown(resource, name)
        elif not _fits(known, resource):
            yield _misplaced(resource, name, known)


def _unknown(resource: Resource, name: str) -> Iterator[Message]:
    if is_istios(name):
        yield tell("UnknownAnnotation", resource, _field(name), annotation=name)


def _misplaced(resource: Resource, name: str, known: Annotation) -> Message:
    return tell("MisplacedAnnotation", resource, _field(name), annotation=name, kinds=", ".join(known.kinds))


def _fits(known: Annotation, resource: Resource) -> bool:
    return ANY in known.kinds or resource.kind in known.kinds


def _field(name: str) -> str:
    return f"metadata.annotations.{name}"


_NAME = "annotations.K8sAnalyzer"
_ABOUT = "whether annotations are Istio's, have an effect where they are, and a value that can be read"
ANALYZER = Analyzer(_NAME, _ABOUT, _READS, dict.fromkeys(_READS, today))
ANALYZER_OF_1_4 = Analyzer(_NAME, _ABOUT, _READS, dict.fromkeys(_READS, of_1_4))
