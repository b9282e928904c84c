"""One state of all collections, immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.objects import ConfigObject, ObjectKey

VERSION_LENGTH = 16


@dataclass(frozen=True, slots=True)
class CollectionSnapshot:
    """The objects of one collection. `version` is a hash of their keys and versions: equal content, equal version."""

    version: str
    items: Mapping[ObjectKey, ConfigObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All collections that there are, empty ones included."""

    collections: Mapping[str, CollectionSnapshot]

    @property
    def versions(self) -> dict[str, str]:
        return {name: each.version for name, each in self.collections.items() if each.items}


def make_snapshot(items: Iterable[ConfigObject], before: Snapshot | None = None) -> Snapshot:
    """A snapshot of these objects; collections that did not change are those of `before`."""
    grouped: dict[str, dict[ObjectKey, ConfigObject]] = {kind.collection: {} for kind in KINDS}
    for item in items:
        grouped[item.key.collection][item.key] = item
    old = before.collections if before is not None else {}
    return Snapshot({name: _collection(old.get(name), held) for name, held in grouped.items()})


def _collection(before: CollectionSnapshot | None, held: dict[ObjectKey, ConfigObject]) -> CollectionSnapshot:
    digest = hashlib.sha256()
    for key in sorted(held):
        digest.update(f"{key.full_name}={held[key].version}\n".encode())
    version = digest.hexdigest()[:VERSION_LENGTH]
    if before is not None and before.version == version:
        return before
    return CollectionSnapshot(version, {key: held[key] for key in sorted(held)})
