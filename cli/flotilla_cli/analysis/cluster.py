"""The objects of a cluster that analyzers read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flotilla_galley.analysis.kinds import (
    CONFIG_MAPS,
    EVERYTHING,
    KUBERNETES_KINDS,
    MESH_COLLECTIONS,
    kubernetes_kind_of,
)
from flotilla_galley.analysis.reading import ResourceReader
from flotilla_shared.model.kinds import WRITTEN, by_collection
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import Forbidden, NotFound
from flotilla_shared.runtime.kube.resources import Resource

PAGE = 500
AT_ONCE = 6


@dataclass(slots=True)
class ClusterReader:
    """Reads into `reader`. `missing` are collections that are not served, `forbidden` those that may not be read.

    Where all namespaces may not be read, `namespace` is. ConfigMaps are read of `root` alone: only the mesh's own count.
    """

    client: KubeClient
    reader: ResourceReader
    namespace: str
    root: str
    missing: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)

    async def read(self, collections: Iterable[str]) -> None:
        """Several at once. Raises KubeError where the API server does not answer."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(collection: str) -> tuple[str, list[dict[str, Any]]]:
            async with gate:
                return collection, await self._collection(collection)

        for _, items in sorted(await asyncio.gather(*map(one, _all(collections))), key=lambda each: each[0]):
            for item in items:
                self.reader.add(item)

    async def _collection(self, collection: str) -> list[dict[str, Any]]:
        """The objects of a collection at the first of its versions that is served."""
        for resource in _resources(collection):
            try:
                return await self._list(resource, self.root if collection == CONFIG_MAPS else "")
            except NotFound:
                continue
            except Forbidden:
                return await self._own(collection, resource)
        self.missing.add(collection)
        return []

    async def _own(self, collection: str, resource: Resource) -> list[dict[str, Any]]:
        """Of the one namespace."""
        try:
            if resource.namespaced:
                return await self._list(resource, self.namespace)
        except (Forbidden, NotFound):
            pass
        self.forbidden.add(collection)
        return []

    async def _list(self, resource: Resource, namespace: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self.client.get(resource.path(namespace), params=params)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                # The items of a list do not say what they are.
                return [{**each, "kind": resource.kind, "apiVersion": resource.api_version} for each in found]
            params["continue"] = token


def _all(collections: Iterable[str]) -> list[str]:
    wanted = set(collections)
    if EVERYTHING in wanted:
        wanted |= {kind.collection for kind in WRITTEN if not kind.collection.startswith(LEGACY_PREFIX)}
        wanted |= {kind.collection for kind in KUBERNETES_KINDS}
    # The mesh's configuration stands in a ConfigMap.
    wanted = {CONFIG_MAPS if each in MESH_COLLECTIONS else each for each in wanted - {EVERYTHING}}
    return sorted(wanted)


def _resources(collection: str) -> list[Resource]:
    """Where it may be read: all versions, the newest first."""
    theirs = kubernetes_kind_of(collection)
    if theirs is not None:
        return [Resource(theirs.group, theirs.version, theirs.plural, theirs.namespaced, theirs.kind)]
    kind = by_collection(collection)
    if kind is None:
        return []
    return [Resource(kind.group, each, kind.plural, not kind.cluster_scoped, kind.kind) for each in kind.versions]
