"""One state of all collections, immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter

from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.objects import ConfigObject, ObjectKey

VERSION_LENGTH = 16
DIGESTS = 1 << 128
COLLECTIONS = tuple(kind.collection for kind in KINDS)
BY_NAME = attrgetter("namespace", "name")


@dataclass(frozen=True, eq=False)
class CollectionSnapshot:
    """The objects of one collection. `version` is a hash of their keys and versions: equal content, equal version.

    `digest` is that hash before it was shortened, the sum of one of each object: a change adds and takes away. It is -1
    where it was not counted. `changed` are the keys in which it may differ from the one with the version `before`, where
    one is known.
    """

    version: str
    items: Mapping[ObjectKey, ConfigObject] = field(default_factory=dict)
    digest: int = -1
    before: str | None = None
    changed: tuple[ObjectKey, ...] = ()

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
    return Snapshot({name: _collection(old.get(name), held, _sum(held)) for name, held in grouped.items()})


def change_snapshot(before: Snapshot, changes: Mapping[ObjectKey, ConfigObject | None]) -> Snapshot:
    """`before` with objects added, replaced, or (None) taken out. It costs what changes, and a copy of the collections
    concerned.
    """
    grouped: dict[str, dict[ObjectKey, ConfigObject | None]] = {}
    for key, item in changes.items():
        grouped.setdefault(key.collection, {})[key] = item
    fresh = {name: _changed(before.collections[name], held) for name, held in grouped.items()}
    return Snapshot({**before.collections, **fresh})


def _changed(before: CollectionSnapshot, changes: Mapping[ObjectKey, ConfigObject | None]) -> CollectionSnapshot:
    held = dict(before.items)
    digest = before.digest if before.digest >= 0 else _sum(held)
    ordered = all(key in held or item is None for key, item in changes.items())
    for key, item in changes.items():
        known = held.pop(key, None) if item is None else held.get(key)
        if known is not None:
            digest -= _digest(known)
        if item is not None:
            held[key] = item
            digest += _digest(item)
    made = _collection(before, held, digest % DIGESTS, ordered=ordered)
    return made if made is before else replace(made, before=before.version, changed=tuple(sorted(changes, key=BY_NAME)))


def _collection(
    before: CollectionSnapshot | None, held: dict[ObjectKey, ConfigObject], digest: int, *, ordered: bool = False
) -> CollectionSnapshot:
    version = f"{digest:032x}"[:VERSION_LENGTH]
    if before is not None and before.version == version:
        return before
    if not ordered:
        held = {key: held[key] for key in sorted(held, key=BY_NAME)}
    return CollectionSnapshot(version, held, digest)


def _sum(held: Mapping[ObjectKey, ConfigObject]) -> int:
    return sum(map(_digest, held.values())) % DIGESTS


def _digest(item: ConfigObject) -> int:
    name = f"{item.key.namespace}/{item.key.name}={item.version}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest())
