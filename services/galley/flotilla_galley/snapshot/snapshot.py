"""One state of all collections, immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.objects import ConfigObject, ObjectKey

VERSION_LENGTH = 16
COLLECTIONS = tuple(kind.collection for kind in KINDS)
BY_NAME = attrgetter("namespace", "name")


@dataclass(frozen=True, eq=False)
class CollectionSnapshot:
    """The objects of one collection. `version` is a hash of their keys and versions: equal content, equal version."""

    version: str
    items: Mapping[ObjectKey, ConfigObject] = field(default_factory=dict)

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """MCP name -> version, made when it is first asked for."""
        return {key.full_name: item.version for key, item in self.items.items()}


NOTHING = CollectionSnapshot("")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All collections that there are, empty ones included."""

    collections: Mapping[str, CollectionSnapshot]

    @property
    def versions(self) -> dict[str, str]:
        return {name: each.version for name, each in self.collections.items() if each.items}

    def changed_from(self, before: Snapshot | None) -> frozenset[str]:
        """The collections that are not those of `before`."""
        old = before.collections if before is not None else {}
        return frozenset(name for name, each in self.collections.items() if old.get(name) is not each)


def make_snapshot(items: Iterable[ConfigObject], before: Snapshot | None = None) -> Snapshot:
    """A snapshot of these objects; collections that did not change are those of `before`."""
    grouped: dict[str, dict[ObjectKey, ConfigObject]] = {name: {} for name in COLLECTIONS}
    for item in items:
        grouped[item.key.collection][item.key] = item
    old = before.collections if before is not None else {}
    return Snapshot({name: _collection(old.get(name), held) for name, held in grouped.items()})


def change_snapshot(before: Snapshot, changes: Mapping[ObjectKey, ConfigObject | None]) -> Snapshot:
    """`before` with objects added, replaced, or (None) taken out; its cost is that of the collections concerned."""
    grouped: dict[str, dict[ObjectKey, ConfigObject]] = {}
    for key, item in changes.items():
        held = grouped.setdefault(key.collection, dict(before.collections[key.collection].items))
        if item is None:
            held.pop(key, None)
        else:
            held[key] = item
    fresh = {name: _collection(before.collections[name], held) for name, held in grouped.items()}
    return Snapshot({**before.collections, **fresh})


def _collection(before: CollectionSnapshot | None, held: dict[ObjectKey, ConfigObject]) -> CollectionSnapshot:
    keys = sorted(held, key=BY_NAME)
    pairs = (f"{key.namespace}/{key.name}={held[key].version}\n" for key in keys)
    version = hashlib.sha256("".join(pairs).encode()).hexdigest()[:VERSION_LENGTH]
    if before is not None and before.version == version:
        return before
    return CollectionSnapshot(version, {key: held[key] for key in keys})
