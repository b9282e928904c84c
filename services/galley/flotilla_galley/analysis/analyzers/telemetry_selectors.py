"""Telemetries that select nothing, or the same pods as another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import PODS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import names, pods_selected, shown
from flotilla_shared.model.kinds import TELEMETRIES

_LABELS = "spec.selector.matchLabels"


def look(telemetry: Resource, view: View) -> Iterator[Message]:
    labels = telemetry.spec.selector.match_labels
    if labels and not pods_selected(view, labels, telemetry.namespace):
        yield tell("ReferencedResourceNotFound", telemetry, _LABELS, what="selector", name=shown(labels))


def overlapping(view: View) -> Iterator[Message]:
    by_pod: dict[Resource, list[Resource]] = defaultdict(list)
    for telemetry in view.all(TELEMETRIES):
        if labels := telemetry.spec.selector.match_labels:
            for pod in pods_selected(view, labels, telemetry.namespace):
                by_pod[pod].append(telemetry)
    for pod, same in by_pod.items():
        for each in same if len(same) > 1 else ():
            name, objects = "ConflictingTelemetryWorkloadSelectors", names(same)
            yield tell(name, each, _LABELS, objects=objects, namespace=each.namespace, pod=pod.name)


ANALYZER = Analyzer(
    "telemetry.SelectorAnalyzer",
    "whether each Telemetry selects pods, and no two select the same",
    (TELEMETRIES, PODS),
    {TELEMETRIES: look},
    overlapping,
)
