"""Namespaces without the label of injection, and pods without the proxy that they should have, as 1.4 sees them."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping
from flotilla_galley.analysis.kinds import NAMESPACES, PODS
from flotilla_galley.analysis.membership import INJECT, INJECTION_LABEL, SYSTEM_NAMESPACES, has_proxy
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.reading import ROOT_NAMESPACE
from flotilla_galley.analysis.resource import Resource


def namespace(resource: Resource, view: View) -> Iterator[Message]:
    name = resource.name
    if INJECTION_LABEL not in resource.labels and name not in SYSTEM_NAMESPACES | {ROOT_NAMESPACE}:
        yield tell("NamespaceNotInjectedOf14", resource, "metadata.name", namespace=name)


def pod(resource: Resource, view: View) -> Iterator[Message]:
    around = view.get(NAMESPACES, "", resource.namespace)
    if around is None or around.labels.get(INJECTION_LABEL) != "enabled":
        return
    if resource.annotations.get(INJECT, "").lower() != "false" and not has_proxy(mapping(resource.value, "spec")):
        yield tell("PodMissingProxy", resource, "metadata.name", pod=resource.full_name)


ANALYZER = Analyzer(
    "injection.Analyzer",
    "whether namespaces say if they are in the mesh, and their pods have proxies",
    (NAMESPACES, PODS),
    {NAMESPACES: namespace, PODS: pod},
)
