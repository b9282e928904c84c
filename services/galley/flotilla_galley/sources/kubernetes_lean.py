"""Kubernetes' objects as a watch keeps them: only what the transforms read."""

from __future__ import annotations

from typing import Any

import msgspec

from flotilla_galley.sources.cluster_objects import travelling
from flotilla_galley.transforms.ingress_options import CLASS_ANNOTATION
from flotilla_shared.runtime.kube.objects import KubeStruct, ObjectMeta

_NONE = msgspec.Raw(b"null")
_PARTS = ("spec", "status", "subsets", "endpoints", "ports")
# Kind -> part of an object -> the fields of it that are read; None is all of them. Parts that are not named go.
_READ: dict[str, dict[str, tuple[str, ...] | None]] = {
    "Ingress": {"spec": None},
    "Service": {"spec": None},
    "EndpointSlice": {"endpoints": None, "ports": None},
    "Pod": {"spec": ("nodeName", "serviceAccountName"), "status": ("podIP", "phase")},
    "Node": {},
    "Namespace": {"spec": None},
}


class KubernetesResource(KubeStruct, frozen=True):
    """The parts are JSON as they came, undecoded until they are looked at."""

    metadata: ObjectMeta
    spec: msgspec.Raw = _NONE
    status: msgspec.Raw = _NONE
    subsets: msgspec.Raw = _NONE
    endpoints: msgspec.Raw = _NONE
    ports: msgspec.Raw = _NONE


def lean(kind: str, item: KubernetesResource) -> KubernetesResource:
    """Without what nobody reads, and without the page of the list that it came in."""
    meta = item.metadata
    annotations = travelling(meta.annotations)
    if CLASS_ANNOTATION in meta.annotations:
        annotations[CLASS_ANNOTATION] = meta.annotations[CLASS_ANNOTATION]
    kept = ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        labels=meta.labels,
        annotations=annotations,
        creation_timestamp=meta.creation_timestamp,
    )
    parts = {part: _fields(getattr(item, part), fields) for part, fields in _READ[kind].items()}
    return KubernetesResource(kept, **parts)


def _fields(raw: msgspec.Raw, fields: tuple[str, ...] | None) -> msgspec.Raw:
    if fields is None:
        return raw.copy()
    try:
        found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return raw.copy()
    return msgspec.Raw(msgspec.json.encode({name: found[name] for name in fields if name in found}))


def content(item: KubernetesResource) -> tuple[Any, ...]:
    """What changes when an object changes for the transforms."""
    meta = item.metadata
    return (meta.uid, meta.labels, meta.annotations, *(bytes(getattr(item, part)) for part in _PARTS))


def plain(item: KubernetesResource) -> dict[str, Any]:
    """As a file would have it. Raises msgspec.DecodeError."""
    meta = item.metadata
    named = {"name": meta.name, "namespace": meta.namespace, "labels": meta.labels, "annotations": meta.annotations}
    parts = {part: msgspec.json.decode(getattr(item, part)) for part in _PARTS}
    return {"metadata": named, **{part: value for part, value in parts.items() if value is not None}}
