"""What a cluster holds: each object asked for by its name, or with `prune` all of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_cli.difference.held import Held
from flotilla_cli.difference.items import Item, item_of
from flotilla_cli.errors import Refused
from flotilla_galley.sources.documents import objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_shared.model.kinds import KINDS, Kind, by_collection
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.errors import KubeError, NotFound
from flotilla_shared.runtime.kube.resources import Resource

AT_ONCE = 8
PAGE = 500


def held_by_cluster(connection: KubeConnection, keys: Iterable[ObjectKey], *, prune: bool) -> Held:
    """Raises Refused."""
    try:
        return asyncio.run(_held(connection, list(keys), prune=prune))
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        if not isinstance(first, KubeError):
            raise
        text = f"The cluster {connection.server} does not say what it holds: {first}."
        raise Refused(text, "Choose another --kubeconfig or --context, or a user who may read it.") from first


async def _held(connection: KubeConnection, keys: list[ObjectKey], *, prune: bool) -> Held:
    client = KubeClient(connection, user_agent="flotilla-diff")
    await client.start()
    try:
        asked = _Asked(client)
        kinds = [kind for kind in KINDS if kind.written]
        questions = [asked.all_of(kind) for kind in kinds] if prune else [asked.one(key) for key in keys]
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(question) for question in questions]
        for written in (each for answer in answers for each in answer.result()):
            asked.add(written)
    finally:
        await client.stop()
    return Held(f"the cluster {connection.server}", asked.items)


class _Asked:
    """Any version of a kind will do: the API server converts, and what differs between versions is not compared."""

    def __init__(self, client: KubeClient) -> None:
        self.items: dict[ObjectKey, Item] = {}
        self._client = client
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def one(self, key: ObjectKey) -> list[Any]:
        kind = by_collection(key.collection)
        assert kind is not None
        for resource in _resources(kind):
            try:
                async with self._turn:
                    return [await self._client.get(resource.path(key.namespace, key.name))]
            except NotFound:
                continue  # or the cluster has another version of the kind
        return []

    async def all_of(self, kind: Kind) -> list[Any]:
        for resource in _resources(kind):
            try:
                return await self._listed(resource)
            except NotFound:
                continue
        return []

    async def _listed(self, resource: Resource) -> list[Any]:
        found: list[Any] = []
        more = ""
        while True:
            params: dict[str, str | int] = {"limit": PAGE} | ({"continue": more} if more else {})
            async with self._turn:
                answer = await self._client.get(resource.path(), params=params)
            names = {"apiVersion": resource.api_version, "kind": resource.kind}
            found += [names | each for each in answer.get("items") or []]
            more = (answer.get("metadata") or {}).get("continue", "")
            if not more:
                return found

    def add(self, written: Mapping[str, Any]) -> None:
        for source in objects_of("", YamlDocument(dict(written), 0))[0]:
            item = item_of(source, "")
            if item is not None:
                self.items[item.key] = item


def _resources(kind: Kind) -> list[Resource]:
    return [Resource(kind.group, each, kind.plural, not kind.cluster_scoped, kind.kind) for each in kind.versions]
