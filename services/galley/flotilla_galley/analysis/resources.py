"""All objects of an analysis: immutable, in a fixed order, found by kind and name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_galley.analysis.resource import Resource, ResourceKey
from flotilla_shared.model.objects import Problem


class ResourceSet:
    """Of several objects of one key the first counts.

    `problems` tells of what could not be read as an object. `missing` are collections that the cluster does not serve.
    `remote` has the objects of other clusters of the mesh, by the cluster's name.
    """

    def __init__(
        self,
        resources: Iterable[Resource] = (),
        problems: Iterable[Problem] = (),
        missing: Iterable[str] = (),
        remote: Mapping[str, ResourceSet] | None = None,
    ) -> None:
        found: dict[ResourceKey, Resource] = {}
        for each in resources:
            found.setdefault(each.key, each)
        self._by_key: Mapping[ResourceKey, Resource] = {key: found[key] for key in sorted(found)}
        self.problems = tuple(problems)
        self.missing = frozenset(missing)
        self.remote: Mapping[str, ResourceSet] = dict(sorted((remote or {}).items()))
        grouped: dict[str, list[Resource]] = {}
        for key, each in self._by_key.items():
            grouped.setdefault(key.collection, []).append(each)
        self._by_collection = {name: tuple(members) for name, members in grouped.items()}

    def of(self, collection: str) -> tuple[Resource, ...]:
        """Those of a collection by namespace and name."""
        return self._by_collection.get(collection, ())

    def get(self, collection: str, namespace: str, name: str) -> Resource | None:
        return self._by_key.get(ResourceKey(collection, namespace, name))

    def all(self) -> tuple[Resource, ...]:
        return tuple(self._by_key.values())

    def over(self, other: ResourceSet) -> ResourceSet:
        """Both, where an object of this set hides that of the other: files over a cluster."""
        return ResourceSet(
            (*self.all(), *other.all()),
            (*self.problems, *other.problems),
            self.missing | other.missing,
            {**other.remote, **self.remote},
        )

    def __len__(self) -> int:
        return len(self._by_key)
