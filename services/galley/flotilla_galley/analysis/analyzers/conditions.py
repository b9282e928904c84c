"""What controllers have written into the status of objects as not met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, numbered, text
from flotilla_galley.analysis.kinds import KUBERNETES_KINDS, SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import WRITTEN

_PARTIAL = "PartiallyInvalid"
_GATEWAY_API = "gateway.networking.k8s.io"
_KINDS = (
    SERVICES,
    *(kind.collection for kind in WRITTEN if kind.era == "today"),
    *(kind.collection for kind in KUBERNETES_KINDS if kind.group == _GATEWAY_API),
)


def look(resource: Resource, view: View) -> Iterator[Message]:
    status = mapping(resource.value, "status")
    for path, condition in _conditions(status):
        if _concerns(text(condition, "type")) and _negative(condition):
            yield tell(
                "NegativeConditionStatus",
                resource,
                path,
                type=text(condition, "type"),
                reason=text(condition, "reason"),
                detail=text(condition, "message"),
            )


def _conditions(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Its own, and of a route those of each parent."""
    for index, condition in numbered(status, "conditions"):
        yield f"status.conditions[{index}]", condition
    for place, parent in numbered(status, "parents"):
        for index, condition in numbered(parent, "conditions"):
            yield f"status.parents[{place}].conditions[{index}]", condition


def _concerns(type_: str) -> bool:
    """Types with a domain are their owner's, and only Istio's say something of the mesh."""
    domain, slash, _ = type_.partition("/")
    return not slash or domain.endswith("istio.io")


def _negative(condition: Mapping[str, Any]) -> bool:
    return text(condition, "status") == "False" or text(condition, "reason") == _PARTIAL


ANALYZER = Analyzer(
    "conditions.ConditionAnalyzer",
    "whether a controller could do what objects say",
    _KINDS,
    dict.fromkeys(_KINDS, look),
)
