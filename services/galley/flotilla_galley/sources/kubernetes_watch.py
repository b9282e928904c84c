"""Kubernetes' own objects of a cluster, for the transforms: one reflector a kind, and nothing kept that nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.cluster_objects import Concerns
from flotilla_galley.sources.documents import Unusable
from flotilla_galley.sources.kubernetes_documents import kubernetes_object
from flotilla_galley.sources.kubernetes_lean import KubernetesResource, content, lean, plain
from flotilla_galley.transforms.kubernetes import KubernetesObject
from flotilla_shared.model.objects import Problem
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import (
    ENDPOINT_SLICES,
    INGRESSES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    Resource,
)

_OLDER_INGRESSES = tuple(
    Resource(group, "v1beta1", "ingresses", True, "Ingress") for group in ("networking.k8s.io", "extensions")
)
# Of each kind the versions, best first.
WATCHED: Mapping[str, tuple[Resource, ...]] = {
    "Ingress": (INGRESSES, *_OLDER_INGRESSES),
    "Service": (SERVICES,),
    "EndpointSlice": (ENDPOINT_SLICES,),
    "Pod": (PODS,),
    "Node": (NODES,),
    "Namespace": (NAMESPACES,),
}
_Read = tuple[KubernetesResource, KubernetesObject | Problem]


class KubernetesWatch:
    """Component and KubernetesInput. Reads those of `kinds` that a cluster keeps; `on_change` as in ClusterSource."""

    reading = Reading()

    def __init__(
        self,
        client: KubeClient,
        kinds: Iterable[str],
        concerns: Concerns,
        on_change: Callable[[], None],
        *,
        metrics: KubeMetrics = NO_METRICS,
    ) -> None:
        self._concerns = concerns
        self._on_change = on_change
        self._read: dict[tuple[str, str, str], _Read] = {}
        self._reflectors = {
            kind: Reflector(
                client,
                WATCHED[kind],
                KubernetesResource,
                on_change=self._changed,
                prepare=partial(lean, kind),
                metrics=metrics,
            )
            for kind in sorted(kinds)
            if kind in WATCHED
        }

    async def start(self) -> None:
        """Begin; returns at once."""
        for each in self._reflectors.values():
            await each.start()

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in self._reflectors.values()))

    async def wait_synced(self) -> None:
        """Return when every kind has been listed, or is known not to be served."""
        for each in self._reflectors.values():
            await each.wait_synced()

    @property
    def missing(self) -> list[str]:
        return [f"{each.resource}: {each.state}" for each in self._reflectors.values() if not each.synced]

    def view(self) -> dict[str, object]:
        """The state of each kind's watch, for the introspection page."""
        return {
            str(each.resource): {"version": each.resource.version, "objects": len(each.objects), "state": each.state}
            for each in self._reflectors.values()
        }

    def kubernetes_objects(self) -> tuple[Sequence[KubernetesObject], Sequence[Problem]]:
        """Only what changed is read again."""
        fresh: dict[tuple[str, str, str], _Read] = {}
        for kind, reflector in self._reflectors.items():
            for (namespace, name), item in reflector.objects.items():
                if kind != "Ingress" or self._concerns(item.metadata.labels):
                    key = (kind, namespace, name)
                    known = self._read.get(key)
                    fresh[key] = known if known is not None and known[0] is item else (item, _read(kind, item))
        self._read = fresh
        found = [each for _, each in fresh.values()]
        return [each for each in found if not isinstance(each, Problem)], [
            each for each in found if isinstance(each, Problem)
        ]

    def _changed(self, change: Change[KubernetesResource]) -> None:
        before, after = change.before, change.after
        if before is None or after is None or content(before) != content(after):
            self._on_change()


def _read(kind: str, item: KubernetesResource) -> KubernetesObject | Problem:
    meta = item.metadata
    place = "/".join(part for part in (kind, meta.namespace, meta.name) if part)
    created = int(meta.creation_timestamp.timestamp()) * 1_000_000_000 if meta.creation_timestamp else 0
    try:
        value: dict[str, Any] = {"kind": kind, **plain(item)}
        return kubernetes_object(value, place, created_ns=created)
    except Unusable as error:
        return Problem(error.code, error.field, str(error), file=place)
    except msgspec.DecodeError as error:
        return Problem("wrong-type", "spec", f"{place} cannot be read: {error}", file=place)
