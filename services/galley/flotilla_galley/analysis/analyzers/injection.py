"""Namespaces that do not say whether they are in the mesh, and pods without the proxy that they should have."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import flag, mapping
from flotilla_galley.analysis.injectors import injects_by_default
from flotilla_galley.analysis.kinds import CONFIG_MAPS, NAMESPACES, PODS
from flotilla_galley.analysis.membership import (
    DATAPLANE_MODE,
    INJECT,
    INJECTION_LABEL,
    REVISION_LABEL,
    SYSTEM_NAMESPACES,
    asks_for_injection,
    has_proxy,
    pod_in_ambient,
)
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.reading import ROOT_NAMESPACE
from flotilla_galley.analysis.resource import Resource

_LEFT_OUT = SYSTEM_NAMESPACES | {ROOT_NAMESPACE}


def namespace(resource: Resource, view: View) -> Iterator[Message]:
    name, labels = resource.name, resource.labels
    if name in _LEFT_OUT or DATAPLANE_MODE in labels:
        return
    if INJECTION_LABEL in labels and REVISION_LABEL in labels:
        told = f"{INJECTION_LABEL}={labels[INJECTION_LABEL]}, {REVISION_LABEL}={labels[REVISION_LABEL]}"
        yield tell("NamespaceMultipleInjectionLabels", resource, "metadata.labels", labels=told)
    elif INJECTION_LABEL not in labels and REVISION_LABEL not in labels:
        if injects_by_default(view, ""):
            yield tell("NamespaceInjectionEnabledByDefault", resource, "metadata.name")
        else:
            yield tell("NamespaceNotInjected", resource, "metadata.name", namespace=name)


def pod(resource: Resource, view: View) -> Iterator[Message]:
    around = view.get(NAMESPACES, "", resource.namespace)
    if around is None or around.name in _LEFT_OUT or not _injected(around):
        return
    wish = resource.labels.get(INJECT, resource.annotations.get(INJECT, ""))
    spec = mapping(resource.value, "spec")
    if wish.lower() == "false" or flag(spec, "hostNetwork") or pod_in_ambient(resource) or has_proxy(spec):
        return
    yield tell("PodMissingProxy", resource, "metadata.name", pod=resource.full_name)


def _injected(resource: Resource) -> bool:
    both = INJECTION_LABEL in resource.labels and REVISION_LABEL in resource.labels
    return asks_for_injection(resource.labels) and not both


ANALYZER = Analyzer(
    "injection.Analyzer",
    "whether namespaces say if they are in the mesh, and their pods have proxies",
    (NAMESPACES, PODS, CONFIG_MAPS),
    {NAMESPACES: namespace, PODS: pod},
)
