"""Applications that run under the proxy's user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, number, numbered, text
from flotilla_galley.analysis.kinds import DEPLOYMENTS, PODS
from flotilla_galley.analysis.membership import PROXY_CONTAINER, of_control_plane
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource

PROXY_USER = 1337


def pod(resource: Resource, view: View) -> Iterator[Message]:
    return _told(resource, mapping(resource.value, "spec"), "spec")


def deployment(resource: Resource, view: View) -> Iterator[Message]:
    return _told(resource, mapping(resource.value, "spec", "template", "spec"), "spec.template.spec")


def _told(resource: Resource, pod_spec: Any, path: str) -> Iterator[Message]:
    """Once an object, at the first place."""
    field = next(_places(pod_spec, path), "")
    if field and not of_control_plane(resource):
        yield tell("InvalidApplicationUID", resource, field)


def _places(pod_spec: Any, path: str) -> Iterator[str]:
    if number(pod_spec, "securityContext", "runAsUser") == PROXY_USER:
        yield f"{path}.securityContext.runAsUser"
    for index, container in numbered(pod_spec, "containers"):
        own = number(container, "securityContext", "runAsUser") == PROXY_USER
        if own and text(container, "name") != PROXY_CONTAINER:
            yield f"{path}.containers[{index}].securityContext.runAsUser"


ANALYZER = Analyzer(
    "applicationUID.Analyzer",
    "whether an application runs under the proxy's user",
    (DEPLOYMENTS, PODS),
    {PODS: pod, DEPLOYMENTS: deployment},
)
