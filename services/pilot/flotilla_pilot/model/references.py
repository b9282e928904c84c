"""What a compiled thing was made from, and in which order equal claims are heard."""

from collections.abc import Iterable

from flotilla_shared.model.objects import ConfigObject, ObjectKey

Reference = tuple[ObjectKey, str]
"""An object and its version: the smallest thing that changes when the object does."""


def reference(item: ConfigObject) -> Reference:
    return item.key, item.version


def keys(references: Iterable[Reference]) -> frozenset[ObjectKey]:
    return frozenset(key for key, _ in references)


def age(item: ConfigObject) -> tuple[int, str, str]:
    """Sorting by this puts the oldest first, ties by name and then namespace, so that replicas agree."""
    return item.create_time_ns, item.key.name, item.key.namespace


def oldest_first(items: Iterable[ConfigObject]) -> list[ConfigObject]:
    return sorted(items, key=age)
