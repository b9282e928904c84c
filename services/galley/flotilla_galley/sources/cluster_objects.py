"""Custom resources as the API server holds them, and the objects that they are to Galley."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_shared.model.kinds import Kind
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.objects import KubeStruct, ObjectMeta
from flotilla_shared.runtime.kube.resources import Resource

# Annotations of these domains are read by somebody in the mesh. Those of others (kubectl, Argo CD, Helm) change
# without any meaning for it, and so do not travel: what only they change must not cause a push.
DOMAINS = ("istio.io", "flotilla.dev")
NO_LINES = YamlDocument(None, 0)
_NOTHING = msgspec.Raw(b"{}")


class CustomResource(KubeStruct, frozen=True):
    """`spec` and `status` are JSON as they came, undecoded until they are looked at."""

    metadata: ObjectMeta
    spec: msgspec.Raw = _NOTHING
    status: msgspec.Raw = _NOTHING


def resources_of(kind: Kind) -> list[Resource]:
    """Where a kind may be read: all its versions, newest first."""
    return [Resource(kind.group, each, kind.plural, not kind.cluster_scoped, kind.kind) for each in kind.versions]


def lean(item: CustomResource) -> CustomResource:
    """Without what nobody reads, and without the page of the list that it came in."""
    meta = item.metadata
    kept = ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        labels=meta.labels,
        annotations=travelling(meta.annotations),
        creation_timestamp=meta.creation_timestamp,
    )
    return CustomResource(kept, item.spec.copy(), item.status.copy())


def travelling(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that are read by somebody in the mesh."""
    return {name: value for name, value in annotations.items() if _domain(name).endswith(DOMAINS)}


def _domain(name: str) -> str:
    domain, slash, _ = name.partition("/")
    return domain if slash else ""


def meaning(item: CustomResource) -> tuple[Any, ...]:
    """What changes when an object changes for the mesh, and not when only its status or bookkeeping does.

    The API server counts `generation` up when the spec changes.
    """
    meta = item.metadata
    return (meta.uid, meta.generation or meta.resource_version, meta.labels, meta.annotations)


def place_of(kind: Kind, namespace: str, name: str) -> str:
    """Where an object is, for people: `VirtualService/default/reviews`."""
    return "/".join(part for part in (kind.kind, namespace, name) if part)


def source_object(kind: Kind, item: CustomResource) -> SourceObject:
    """Raises msgspec.DecodeError for a spec that is no mapping."""
    meta = item.metadata
    spec = msgspec.json.decode(item.spec, type=dict[str, Any])
    return source_of(kind, meta, spec)


def source_of(kind: Kind, meta: ObjectMeta, spec: Mapping[str, Any]) -> SourceObject:
    """An object of a kind from its metadata and spec; its place is its name, and no line of a file."""
    created = meta.creation_timestamp
    return SourceObject(
        kind=kind,
        key=ObjectKey(kind.collection, meta.namespace, meta.name),
        spec=spec,
        labels=meta.labels,
        annotations=meta.annotations,
        create_time_ns=int(created.timestamp()) * 1_000_000_000 if created else 0,
        file=place_of(kind, meta.namespace, meta.name),
        document=NO_LINES,
    )


Concerns = Callable[[Mapping[str, str]], bool]
