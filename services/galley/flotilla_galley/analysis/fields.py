"""Reading plain data that may have any form: what is missing or of another type reads as empty. Nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOTHING: Mapping[str, Any] = {}


def at(value: Any, *path: str) -> Any:
    """What stands at a path of keys, or None."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at a path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, Mapping) else _NOTHING


def items(value: Any, *path: str) -> list[Any]:
    """The list at a path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def mappings(value: Any, *path: str) -> list[Mapping[str, Any]]:
    """The mappings in the list at a path. Indices shift where something else is in it: see `numbered`."""
    return [each for each in items(value, *path) if isinstance(each, Mapping)]


def numbered(value: Any, *path: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in the list at a path, each with its index, to say where something stands."""
    return [(index, each) for index, each in enumerate(items(value, *path)) if isinstance(each, Mapping)]


def text(value: Any, *path: str) -> str:
    """The text at a path, or ""."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def texts(value: Any, *path: str) -> list[str]:
    """The texts in the list at a path."""
    return [each for each in items(value, *path) if isinstance(each, str)]


def pairs(value: Any, *path: str) -> dict[str, str]:
    """The pairs of texts in the mapping at a path: labels, annotations, a selector."""
    return {key: each for key, each in mapping(value, *path).items() if isinstance(each, str)}


def number(value: Any, *path: str) -> int:
    """The whole number at a path, or 0."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def flag(value: Any, *path: str) -> bool:
    """Whether true stands at a path."""
    return at(value, *path) is True
