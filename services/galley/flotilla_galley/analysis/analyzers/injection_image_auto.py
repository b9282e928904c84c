"""Containers with image auto that nobody fills in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, numbered, pairs, text
from flotilla_galley.analysis.kinds import DEPLOYMENTS, MUTATING_WEBHOOKS, NAMESPACES, PODS
from flotilla_galley.analysis.membership import PROXY_CONTAINER
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.webhooks import injectors, takes

AUTO = "auto"


def pod(resource: Resource, view: View) -> Iterator[Message]:
    """A pod that is there with it was not injected, whatever webhooks say."""
    for field in _automatic(mapping(resource.value, "spec"), "spec"):
        yield tell("ImageAutoWithoutInjectionError", resource, field, kind=resource.kind, name=resource.name)


def deployment(resource: Resource, view: View) -> Iterator[Message]:
    template = mapping(resource.value, "spec", "template")
    namespace = view.get(NAMESPACES, "", resource.namespace or "default")
    around = namespace.labels if namespace is not None else {}
    labels = pairs(template, "metadata", "labels")
    if not any(takes(hook, around, labels) for hook in injectors(view)):
        for field in _automatic(mapping(template, "spec"), "spec.template.spec"):
            yield tell("ImageAutoWithoutInjectionWarning", resource, field, kind=resource.kind, name=resource.name)


def _automatic(pod_spec: Any, path: str) -> Iterator[str]:
    for index, container in numbered(pod_spec, "containers"):
        if text(container, "name") == PROXY_CONTAINER and text(container, "image") == AUTO:
            yield f"{path}.containers[{index}].image"


ANALYZER = Analyzer(
    "injection.ImageAutoAnalyzer",
    "whether pods with image auto are injected",
    (DEPLOYMENTS, PODS, NAMESPACES, MUTATING_WEBHOOKS),
    {PODS: pod, DEPLOYMENTS: deployment},
)
