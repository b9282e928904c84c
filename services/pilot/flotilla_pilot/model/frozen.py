"""A mapping that never changes and may be a key."""

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

_Other = TypeVar("_Other")


class FrozenMap(Mapping[str, str]):
    """An immutable, hashable string mapping, in sorted order whatever the order it was made in."""

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = dict(sorted((items or {}).items()))
        self._hash = hash(tuple(self._items.items()))

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    @overload
    def get(self, key: str, /) -> str | None: ...

    @overload
    def get(self, key: str, /, default: str | _Other) -> str | _Other: ...

    def get(self, key: str, /, default: object = None) -> object:
        """As every mapping's, without an exception for what is not there."""
        return self._items.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FrozenMap):
            return self._items == other._items
        return NotImplemented

    def __repr__(self) -> str:
        return f"FrozenMap({self._items!r})"


EMPTY = FrozenMap()
