"""The pods that files ask for: of Deployments and their like, and the workloads of WorkloadEntries.

Files seldom hold pods. Selectors are held against what will be there; what is said of pods that run is said of real ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_galley.analysis.fields import mapping, pairs
from flotilla_galley.analysis.kinds import PLANNED_PODS, PODS
from flotilla_galley.analysis.membership import PROXY_CONTAINER
from flotilla_galley.analysis.resource import Resource, ResourceKey
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.labels import selects

_TEMPLATED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})


def with_planned_pods(resources: ResourceSet) -> ResourceSet:
    """The same with PLANNED_PODS. Where a pod with all of its labels is there already, none is planned."""
    planned = [each for each in map(_planned, resources.all()) if each is not None]
    return resources.over(ResourceSet(each for each in planned if not _runs(each, resources)))


def _planned(resource: Resource) -> Resource | None:
    if resource.key.collection == WORKLOAD_ENTRIES:
        labels = dict(resource.spec.labels)
        return _pod(resource, labels, {}, {"containers": [{"name": PROXY_CONTAINER, "image": PROXY_CONTAINER}]})
    if resource.kind not in _TEMPLATED:
        return None
    template = mapping(resource.value, "spec", "template")
    metadata = mapping(template, "metadata")
    return _pod(resource, pairs(metadata, "labels"), pairs(metadata, "annotations"), mapping(template, "spec"))


def _pod(of: Resource, labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any]) -> Resource:
    name = f"{of.kind}/{of.name}"
    metadata = {"name": name, "namespace": of.namespace, "labels": labels, "annotations": annotations}
    key = ResourceKey(PLANNED_PODS, of.namespace, name)
    return Resource(key, of.kind, of.group, of.version, {"metadata": metadata, "spec": spec})


def _runs(planned: Resource, resources: ResourceSet) -> bool:
    around = [each for each in resources.of(PODS) if each.namespace == planned.namespace]
    return any(selects(planned.labels, each.labels) for each in around)
