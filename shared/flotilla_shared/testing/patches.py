"""The patches that an API server takes: JSON merge patch (RFC 7386) and JSON patch (RFC 6902: add, remove, replace, test)."""

from __future__ import annotations

import copy
from typing import Any


class PatchFailed(ValueError):
    """A path that is not there, or a `test` that does not hold."""


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` with the patch merged in; neither is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """`target` after the operations; it is not changed. Raises PatchFailed."""
    changed = copy.deepcopy(target)
    for operation in operations:
        path = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            _apply(changed, path, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchFailed(f"{operation['op']} {operation['path']}: {error}") from error
    return changed


def _apply(target: Any, path: list[str], operation: dict[str, Any]) -> None:
    *parents, last = path
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    name, value = operation["op"], operation.get("value")
    if isinstance(target, list):
        _apply_to_list(target, last, name, value)
    elif name == "add":
        target[last] = value
    elif name == "remove":
        del target[last]
    elif name == "replace":
        target[last]  # must be there
        target[last] = value
    elif name == "test":
        _must_equal(target[last], value)
    else:
        raise ValueError(f"{name} is not known")


def _apply_to_list(target: list[Any], last: str, name: str, value: Any) -> None:
    place = len(target) if last == "-" else int(last)
    if name == "add":
        target.insert(place, value)
    elif name == "remove":
        del target[place]
    elif name == "replace":
        target[place] = value
    elif name == "test":
        _must_equal(target[place], value)
    else:
        raise ValueError(f"{name} is not known")


def _must_equal(found: Any, value: Any) -> None:
    if found != value:
        raise ValueError(f"{found!r} is not {value!r}")
