"""Kubernetes objects from the YAML that users write."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from flotilla_pilot.ingress.told import INGRESSES
from flotilla_pilot.model.services import ENDPOINT_SLICES, KUBERNETES_SERVICES, Service
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot, Objects
from flotilla_pilot.registries.conversion import Cluster, ServiceConversion
from flotilla_pilot.registries.kubernetes import native_parts
from flotilla_pilot.registries.objects import KubernetesObjects
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube import objects as kube

KINDS: Mapping[str, tuple[str, type[Any]]] = {
    "Service": ("services", kube.Service),
    "EndpointSlice": ("slices", kube.EndpointSlice),
    "Pod": ("pods", kube.Pod),
    "Node": ("nodes", kube.Node),
    "Namespace": ("namespaces", kube.Namespace),
    "Ingress": ("ingresses", kube.Ingress),
    "IngressClass": ("ingress_classes", kube.IngressClass),
}
_OF_THE_CLUSTER = ("nodes", "namespaces", "ingress_classes")
_VERSIONS = ("v1", "discovery.k8s.io/v1", "networking.k8s.io/v1")


def is_kubernetes(document: Mapping[str, Any]) -> bool:
    """Whether the document is an object of Kubernetes' own."""
    return document.get("apiVersion") in _VERSIONS


def key_of(document: Mapping[str, Any]) -> ObjectKey | None:
    """The key under which compiled resources name the object; None for kinds that nothing is compiled from."""
    known = {"Service": KUBERNETES_SERVICES, "EndpointSlice": ENDPOINT_SLICES, "Ingress": INGRESSES}
    collection = known.get(str(document.get("kind")))
    metadata = document.get("metadata") or {}
    if collection is None or "name" not in metadata:
        return None
    return ObjectKey(collection, metadata.get("namespace") or "default", metadata["name"])


def read_kubernetes(documents: Iterable[Mapping[str, Any]]) -> KubernetesObjects:
    """The objects of `documents` that a registry reads; others of Kubernetes' own are left out.

    A Service without a time of creation is a second younger than the one before it.
    """
    found: dict[str, dict[tuple[str, str], Any]] = {field: {} for field, _ in KINDS.values()}
    for number, document in enumerate(documents, 1):
        if document["kind"] not in KINDS:
            continue
        field, kind = KINDS[document["kind"]]
        metadata = {"creationTimestamp": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z", **document["metadata"]}
        metadata["namespace"] = "" if field in _OF_THE_CLUSTER else metadata.get("namespace") or "default"
        item = msgspec.convert({**document, "metadata": metadata}, kind, strict=False)
        found[field][(item.metadata.namespace, item.metadata.name)] = item
    return KubernetesObjects(**found)


def snapshot_with(
    objects: Objects, settings: MeshSettings, documents: Iterable[Mapping[str, Any]], cluster: Cluster | None = None
) -> MeshSnapshot:
    """The mesh of configuration and of Kubernetes' own `documents` beside it."""
    given = cluster or Cluster()
    return native_parts(read_kubernetes(documents), ServiceConversion(given), given.domain, objects, settings).build()


def native_services(documents: Iterable[Mapping[str, Any]], cluster: Cluster | None = None) -> tuple[Service, ...]:
    """The services that a registry makes of `documents`."""
    return ServiceConversion(cluster or Cluster()).convert(read_kubernetes(documents))
