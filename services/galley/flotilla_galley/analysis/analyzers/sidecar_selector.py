"""Sidecars that select nothing, or the same pods as another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import NAMESPACES, PODS
from flotilla_galley.analysis.membership import namespace_in_ambient, pod_in_ambient
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import names, pods_selected, shown
from flotilla_shared.model.kinds import SIDECARS

_LABELS = "spec.workloadSelector.labels"


def look(sidecar: Resource, view: View) -> Iterator[Message]:
    """Whether a selector selects a pod of the namespace."""
    selector = sidecar.spec.workload_selector.labels
    if selector and not pods_selected(view, selector, sidecar.namespace):
        yield tell("ReferencedResourceNotFound", sidecar, _LABELS, what="selector", name=shown(selector))


def ineffective(sidecar: Resource, view: View) -> Iterator[Message]:
    """Whether it is about pods without a proxy of their own, which no Sidecar configures."""
    selector = sidecar.spec.workload_selector.labels
    if not selector and namespace_in_ambient(sidecar.namespace, view):
        reason = f"the pods of namespace {sidecar.namespace} are in ambient mode and have no sidecar"
        yield tell("IneffectivePolicy", sidecar, reason=reason)
    elif selector and any(pod_in_ambient(pod) for pod in pods_selected(view, selector, sidecar.namespace)):
        reason = "the pods that it selects are in ambient mode and have no sidecar"
        yield tell("IneffectivePolicy", sidecar, _LABELS, reason=reason)


def today(sidecar: Resource, view: View) -> Iterator[Message]:
    yield from look(sidecar, view)
    yield from ineffective(sidecar, view)


def overlapping(view: View) -> Iterator[Message]:
    """Sidecars of a namespace that select the same pod."""
    for pod, sidecars in view.once(_by_pod).items():
        for each in sidecars if len(sidecars) > 1 and not pod_in_ambient(pod) else ():
            yield tell(
                "ConflictingSidecarWorkloadSelectors",
                each,
                _LABELS,
                objects=names(sidecars),
                namespace=each.namespace,
                pod=pod.name,
            )


def without_selector(view: View) -> Iterator[Message]:
    """Sidecars that are the default of the same namespace."""
    by_namespace: dict[str, list[Resource]] = defaultdict(list)
    for sidecar in view.all(SIDECARS):
        if not sidecar.spec.workload_selector.labels:
            by_namespace[sidecar.namespace].append(sidecar)
    for namespace, sidecars in by_namespace.items():
        for each in sidecars if len(sidecars) > 1 else ():
            objects = names(sidecars)
            yield tell("MultipleSidecarsWithoutWorkloadSelectors", each, objects=objects, namespace=namespace)


def both(view: View) -> Iterator[Message]:
    yield from overlapping(view)
    for each in without_selector(view):
        if each.resource is not None and not namespace_in_ambient(each.resource.namespace, view):
            yield each


def _by_pod(view: View) -> dict[Resource, list[Resource]]:
    found: dict[Resource, list[Resource]] = defaultdict(list)
    for sidecar in view.all(SIDECARS):
        if selector := sidecar.spec.workload_selector.labels:
            for pod in pods_selected(view, selector, sidecar.namespace):
                found[pod].append(sidecar)
    return found


_NAME = "sidecar.SelectorAnalyzer"
_ABOUT = "whether each Sidecar selects pods, and no two select the same"
ANALYZER = Analyzer(_NAME, _ABOUT, (SIDECARS, PODS, NAMESPACES), {SIDECARS: today}, both)
ANALYZER_OF_1_4 = Analyzer(_NAME, _ABOUT, (SIDECARS, PODS), {SIDECARS: look}, overlapping)
# Needs no pods, so it runs where they cannot be read.
DEFAULT_ANALYZER = Analyzer(
    "sidecar.DefaultSelectorAnalyzer",
    "whether a namespace has one default Sidecar",
    (SIDECARS,),
    whole=without_selector,
)
