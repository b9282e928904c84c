"""Whether pods and namespaces take part in the mesh, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.fields import mapping, mappings, pairs, text
from flotilla_galley.analysis.kinds import NAMESPACES
from flotilla_galley.analysis.resource import Resource

INJECTION_LABEL = "istio-injection"
REVISION_LABEL = "istio.io/rev"
INJECT = "sidecar.istio.io/inject"
PROXY_CONTAINER = "istio-proxy"
DATAPLANE_MODE = "istio.io/dataplane-mode"
REDIRECTION = "ambient.istio.io/redirection"
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})


def pod_in_mesh(pod: Resource, view: View) -> bool:
    """Whether a pod has a proxy, or will have one. The analyzer must read NAMESPACES."""
    return _in_mesh(mapping(pod.value, "spec"), pod.annotations, pod.labels, pod.namespace, view)


def deployment_in_mesh(deployment: Resource, view: View) -> bool:
    """Whether the pods of a Deployment have a proxy, or will have one. The analyzer must read NAMESPACES."""
    template = mapping(deployment.value, "spec", "template")
    annotations, labels = pairs(template, "metadata", "annotations"), pairs(template, "metadata", "labels")
    return _in_mesh(mapping(template, "spec"), annotations, labels, deployment.namespace, view)


def namespace_injected(namespace: str, view: View) -> bool:
    """Whether a namespace's labels ask for proxies. The analyzer must read NAMESPACES."""
    found = view.get(NAMESPACES, "", namespace)
    return found is not None and asks_for_injection(found.labels)


def asks_for_injection(labels: Mapping[str, str]) -> bool:
    return labels.get(INJECTION_LABEL) == "enabled" or (INJECTION_LABEL not in labels and REVISION_LABEL in labels)


def has_proxy(pod_spec: Mapping[str, Any]) -> bool:
    """Whether one of the containers is the proxy, a native one among them."""
    return proxy_container(pod_spec) is not None


def proxy_container(pod_spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    containers = (*mappings(pod_spec, "containers"), *mappings(pod_spec, "initContainers"))
    return next((each for each in containers if text(each, "name") == PROXY_CONTAINER and text(each, "image")), None)


def pod_in_ambient(pod: Resource) -> bool:
    """Whether a pod's traffic goes through the node's proxy instead of one of its own."""
    return pod.annotations.get(REDIRECTION) == "enabled"


def namespace_in_ambient(namespace: str, view: View) -> bool:
    """Whether a namespace's pods have no proxy of their own by its labels. The analyzer must read NAMESPACES."""
    found = view.get(NAMESPACES, "", namespace)
    if found is None or namespace in SYSTEM_NAMESPACES or asks_for_injection(found.labels):
        return False
    return found.labels.get(DATAPLANE_MODE) == "ambient"


def _in_mesh(
    pod_spec: Mapping[str, Any], annotations: Mapping[str, str], labels: Mapping[str, str], namespace: str, view: View
) -> bool:
    if has_proxy(pod_spec):
        return True
    for own in _own_wish(labels, annotations):
        return own
    return namespace_injected(namespace, view)


def _own_wish(*places: Mapping[str, str]) -> Iterable[bool]:
    """What the pod itself says of injection: its label, else its annotation."""
    return (place[INJECT] == "true" for place in places if INJECT in place)


def of_control_plane(resource: Resource) -> bool:
    """Whether an object belongs to the installation itself."""
    return "istio" in resource.labels or resource.labels.get("release") == "istio"
