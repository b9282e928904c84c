"""AuthorizationPolicies about workloads or namespaces that there are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import NAMESPACES, PODS
from flotilla_galley.analysis.membership import pod_in_ambient, pod_in_mesh
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import all_pods, shown
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES, MESH_CONFIG
from flotilla_shared.model.labels import selects


def look(policy: Resource, view: View) -> Iterator[Message]:
    yield from _workloads(policy, view)
    yield from _namespaces(policy, view)


def _workloads(policy: Resource, view: View) -> Iterator[Message]:
    """One of the root namespace is about the whole mesh; one that names targets selects nothing by labels."""
    spec = policy.spec
    whole_mesh = policy.namespace == view.root_namespace
    if spec.targetRefs or spec.HasField("targetRef") or (whole_mesh and not spec.HasField("selector")):
        return
    labels = dict(spec.selector.match_labels)
    places = view.once(_members)
    candidates = (
        [each for place in places.values() for each in place] if whole_mesh else places.get(policy.namespace, [])
    )
    if not any(selects(labels, each) for each in candidates):
        yield tell("NoMatchingWorkloadsFound", policy, "spec.selector", labels=shown(labels))


def _members(view: View) -> dict[str, list[Mapping[str, str]]]:
    """Namespace -> the labels of its pods that are in the mesh."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for pod in all_pods(view):
        if pod_in_mesh(pod, view) or pod_in_ambient(pod):
            found.setdefault(pod.namespace, []).append(pod.labels)
    return found


def _namespaces(policy: Resource, view: View) -> Iterator[Message]:
    known = [each.name for each in view.all(NAMESPACES)]
    for field, pattern in _patterns(policy):
        if not any(_fits(pattern, name) for name in known):
            yield tell("ReferencedResourceNotFound", policy, field, what="namespace", name=pattern)


def _patterns(policy: Resource) -> Iterator[tuple[str, str]]:
    for index, rule in enumerate(policy.spec.rules):
        for place, origin in enumerate(getattr(rule, "from")):
            source, path = origin.source, f"spec.rules[{index}].from[{place}].source"
            for name, patterns in (("namespaces", source.namespaces), ("notNamespaces", source.not_namespaces)):
                yield from ((f"{path}.{name}[{each}]", pattern) for each, pattern in enumerate(patterns))


def _fits(pattern: str, name: str) -> bool:
    """A star at its beginning or end stands for any text; else case does not count."""
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name.lower() == pattern.lower()


ANALYZER = Analyzer(
    "auth.AuthorizationPoliciesAnalyzer",
    "whether AuthorizationPolicies are about workloads and namespaces that there are",
    (AUTHORIZATION_POLICIES, MESH_CONFIG, NAMESPACES, PODS),
    {AUTHORIZATION_POLICIES: look},
)
