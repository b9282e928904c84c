"""The mesh that objects describe, as Mixer knows one: those of the configuration, and Kubernetes' own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from flotilla_mixer.attributes.view import ClusterView, MeshView
from flotilla_mixer.configuration.build import COLLECTIONS, build_configuration
from flotilla_mixer.sources.pods import Pod, pod_workload, service_of
from flotilla_shared.model.kinds import MESH_CONFIG
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.kube.objects import Service

Objects = Mapping[str, Mapping[ObjectKey, ConfigObject]]
TRUST_DOMAIN, DOMAIN = "cluster.local", "cluster.local"


def mesh_of(objects: Objects, documents: Iterable[Mapping[str, Any]] = ()) -> MeshView:
    """Workloads, services and policies of these objects; of Kubernetes' documents Pods and Services are read."""
    mesh = min(objects.get(MESH_CONFIG, {}).values(), key=lambda each: each.key, default=None)
    trust_domain = (mesh.spec.trust_domain if mesh is not None else "") or TRUST_DOMAIN
    cluster = ClusterView()
    for document in documents:
        _add(cluster, document, trust_domain)
    whole = {name: objects.get(name, {}) for name in COLLECTIONS}
    return build_configuration(whole, {}, trust_domain, cluster).view


def _add(cluster: ClusterView, document: Mapping[str, Any], trust_domain: str) -> None:
    placed = {**document, "metadata": {"namespace": "default", **(document.get("metadata") or {})}}
    match document.get("kind"):
        case "Pod":
            workload = pod_workload(msgspec.convert(placed, Pod, strict=False), trust_domain)
            if workload is not None:
                cluster.workloads.put((workload.namespace, workload.name), workload, 0.0)
        case "Service":
            cluster.services.put(service_of(msgspec.convert(placed, Service, strict=False), DOMAIN))
