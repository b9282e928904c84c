"""Namespaces with several Telemetries for all of their pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import names
from flotilla_shared.model.kinds import TELEMETRIES


def whole(view: View) -> Iterator[Message]:
    """One that names targets is not for all pods."""
    by_namespace: dict[str, list[Resource]] = defaultdict(list)
    for telemetry in view.all(TELEMETRIES):
        spec = telemetry.spec
        if not (spec.HasField("selector") or spec.targetRefs or spec.HasField("targetRef")):
            by_namespace[telemetry.namespace].append(telemetry)
    for namespace, same in by_namespace.items():
        for each in same if len(same) > 1 else ():
            name = "MultipleTelemetriesWithoutWorkloadSelectors"
            yield tell(name, each, objects=names(same), namespace=namespace)


ANALYZER = Analyzer(
    "telemetry.DefaultSelectorAnalyzer",
    "whether a namespace has one Telemetry for all of its pods",
    (TELEMETRIES,),
    whole=whole,
)
