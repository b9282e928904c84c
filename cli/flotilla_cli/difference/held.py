"""What is held: by a directory of YAML, by a Galley, by a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flotilla_cli.difference.items import Item, item_of
from flotilla_cli.errors import Refused
from flotilla_cli.offline.configuration import read_texts
from flotilla_galley.sources.documents import objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import ObjectKey

GALLEY_SECONDS = 30.0
PAGE = 200


@dataclass(frozen=True, slots=True)
class Held:
    """`where` names it for people."""

    where: str
    items: Mapping[ObjectKey, Item]


def held_by_directory(path: Path) -> Held:
    """Whatever its objects' rules say; the first of two that are one object. Raises Refused."""
    items: dict[ObjectKey, Item] = {}
    for file, text in read_texts(path):
        for document in read_documents(text):
            if not isinstance(document, YamlError):
                _add(items, document, file)
    return Held(str(path), items)


def held_by_galley(address: str, collections: Iterable[str]) -> Held:
    """What the Galley with this introspection address distributes of these collections. Raises Refused."""
    import httpx

    items: dict[ObjectKey, Item] = {}
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=GALLEY_SECONDS, trust_env=False) as galley:
            for collection in sorted(collections):
                for written in _pages(galley, collection):
                    _add(items, YamlDocument(written, 0), "")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Refused(
            f"Galley's introspection port {address} does not say what is distributed: {error}.",
            "Name it as HOST:PORT; on Kubernetes forward port 9876 of Galley's pod first.",
        ) from error
    return Held(f"Galley at {address}", items)


def _pages(galley: Any, collection: str) -> Iterable[Any]:
    query = {"collection": collection, "limit": str(PAGE), "after": ""}
    while True:
        answer = galley.get("/debug/objects", params=query)
        answer.raise_for_status()
        page = answer.json()
        yield from page["objects"]
        if not page["next"]:
            return
        query["after"] = page["next"]


def _add(items: dict[ObjectKey, Item], document: YamlDocument, file: str) -> None:
    for source in objects_of(file, document)[0]:
        item = item_of(source, f"{file}:{source.line}" if file else "")
        if item is not None:
            items.setdefault(item.key, item)


def collections_of(keys: Iterable[ObjectKey], *, prune: bool) -> set[str]:
    """What must be asked for: with `prune` all that people write."""
    from flotilla_shared.model.kinds import KINDS

    if prune:
        return {kind.collection for kind in KINDS if kind.written}
    return {key.collection for key in keys if by_collection(key.collection) is not None}
