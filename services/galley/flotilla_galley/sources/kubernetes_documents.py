"""Kubernetes' own objects, from plain data as files and the API server have it, for the transforms."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from flotilla_galley.sources.documents import DEFAULT_NAMESPACE, Unusable
from flotilla_galley.sources.ingress_documents import ingress
from flotilla_galley.sources.plain import entries, mapping, pairs, strings, text, whole
from flotilla_galley.transforms.kubernetes import (
    Endpoints,
    KubernetesObject,
    Namespace,
    Node,
    Origin,
    Pod,
    Service,
    Subset,
)

# Kind -> the API versions that are read; of an Ingress those of Kubernetes 1.16, too.
API_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "Ingress": ("networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"),
    "Service": ("v1",),
    "Endpoints": ("v1",),
    "EndpointSlice": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "Pod": ("v1",),
    "Node": ("v1",),
    "Namespace": ("v1",),
}
_CLUSTER_SCOPED = ("Node", "Namespace")
SERVICE_LABEL = "kubernetes.io/service-name"


def is_kubernetes(value: Any, kinds: frozenset[str]) -> bool:
    """Whether a mapping says that it is an object of one of the kinds."""
    kind = value.get("kind") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in kinds and value.get("apiVersion") in API_VERSIONS[kind]


def kubernetes_object(value: Mapping[str, Any], file: str, line: int = 0, created_ns: int = 0) -> KubernetesObject:
    """The object of a mapping for which `is_kubernetes` holds. Raises Unusable, which names the field."""
    kind = str(value["kind"])
    return _READERS[kind](_origin(kind, value, file, line, created_ns), value)


def _origin(kind: str, value: Mapping[str, Any], file: str, line: int, created_ns: int) -> Origin:
    meta = mapping(value, "metadata", "")
    name = text(meta, "name", "metadata.")
    if not name:
        raise Unusable("no-name", "metadata.name", f"{kind} has no metadata.name; give it one")
    namespace = "" if kind in _CLUSTER_SCOPED else text(meta, "namespace", "metadata.") or DEFAULT_NAMESPACE
    labels, annotations = pairs(meta, "labels", "metadata."), pairs(meta, "annotations", "metadata.")
    return Origin(namespace, name, _version(value, labels, annotations), labels, annotations, created_ns, file, line)


def _version(value: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """Of the content, so that it is the same after a restart and no write of a status changes it."""
    content = {name: part for name, part in value.items() if name not in ("metadata", "status")}
    raw = orjson.dumps([content, labels, annotations], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(raw).hexdigest()[:12]


def _service(origin: Origin, value: Mapping[str, Any]) -> Service:
    spec = mapping(value, "spec", "")
    for index, port in enumerate(entries(spec, "ports", "spec.")):
        whole(port, "port", f"spec.ports[{index}].")
    return Service(origin, spec)


def _endpoints(origin: Origin, value: Mapping[str, Any]) -> Endpoints:
    subsets = [_subset(each, f"subsets[{index}].") for index, each in enumerate(entries(value, "subsets", ""))]
    return Endpoints(origin, origin.name, tuple(subsets))


def _subset(value: Mapping[str, Any], path: str) -> Subset:
    ready, waiting = (
        tuple(text(each, "ip", f"{path}{field}.") for each in entries(value, field, path))
        for field in ("addresses", "notReadyAddresses")
    )
    return Subset(_named_ports(value, path), ready, waiting)


def _named_ports(value: Mapping[str, Any], path: str) -> tuple[tuple[str, int], ...]:
    ports = entries(value, "ports", path)
    return tuple((text(port, "name", path), whole(port, "port", f"{path}ports.")) for port in ports)


def _slice(origin: Origin, value: Mapping[str, Any]) -> Endpoints:
    """A part of a Service's endpoints; what does not say that it is not ready is ready."""
    ready: list[str] = []
    waiting: list[str] = []
    for index, each in enumerate(entries(value, "endpoints", "")):
        conditions = mapping(each, "conditions", f"endpoints[{index}].")
        (waiting if conditions.get("ready") is False else ready).extend(
            strings(each, "addresses", f"endpoints[{index}].")
        )
    subset = Subset(_named_ports(value, ""), tuple(ready), tuple(waiting))
    return Endpoints(origin, origin.labels.get(SERVICE_LABEL, ""), (subset,))


def _pod(origin: Origin, value: Mapping[str, Any]) -> Pod:
    spec, status = mapping(value, "spec", ""), mapping(value, "status", "")
    account = text(spec, "serviceAccountName", "spec.") or text(spec, "serviceAccount", "spec.")
    phase = text(status, "phase", "status.")
    return Pod(origin, text(status, "podIP", "status."), phase, text(spec, "nodeName", "spec."), account)


def _node(origin: Origin, value: Mapping[str, Any]) -> Node:
    return Node(origin)


def _namespace(origin: Origin, value: Mapping[str, Any]) -> Namespace:
    return Namespace(origin, mapping(value, "spec", ""))


_READERS: Mapping[str, Callable[[Origin, Mapping[str, Any]], KubernetesObject]] = {
    "Ingress": ingress,
    "Service": _service,
    "Endpoints": _endpoints,
    "EndpointSlice": _slice,
    "Pod": _pod,
    "Node": _node,
    "Namespace": _namespace,
}
