"""Plain access to Kubernetes objects as the API server sends them: dicts that may lack anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def mapping(value: object) -> Json:
    """The object itself, or an empty one in place of nothing (and of what has the wrong type)."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Json]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def at(value: object, *path: str) -> Any:
    """What stands at the path, or None."""
    for part in path:
        value = mapping(value).get(part)
    return value


def texts(value: object) -> dict[str, str]:
    """Labels or annotations."""
    return {str(key): str(each) for key, each in mapping(value).items()}


def without_nothing(content: Mapping[str, Any]) -> Json:
    """Without the keys whose value is None, an empty list or an empty object."""
    return {key: value for key, value in content.items() if value is not None and value not in ([], {})}


def named(items: list[Json], name: str) -> Json | None:
    return next((each for each in items if each.get("name") == name), None)
