"""JSON patch (RFC 6902) from one object to another: parents are made where they are missing."""

from __future__ import annotations

from typing import Any

from flotilla_pilot.injection.document import Json

Patch = list[Json]


def json_patch(before: Any, after: Any, path: str = "") -> Patch:
    """Applied to `before` in order it yields `after`. Nothing for what is equal."""
    if before == after and type(before) is type(after):
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return _objects(before, after, path)
    if isinstance(before, list) and isinstance(after, list):
        return _lists(before, after, path)
    return [{"op": "replace", "path": path, "value": after}]


def _objects(before: Json, after: Json, path: str) -> Patch:
    patch: Patch = [{"op": "remove", "path": _below(path, key)} for key in before if key not in after]
    for key, value in after.items():
        if key not in before:
            patch.append({"op": "add", "path": _below(path, key), "value": value})
        else:
            patch += json_patch(before[key], value, _below(path, key))
    return patch


def _lists(before: list[Any], after: list[Any], path: str) -> Patch:
    """By place, where all that stands before stays there; where entries with names moved, the list anew."""
    if len(after) < len(before) or _names(after[: len(before)]) != _names(before):
        return [{"op": "replace", "path": path, "value": after}]
    patch: Patch = []
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        patch += json_patch(old, new, f"{path}/{index}")
    return patch + [{"op": "add", "path": f"{path}/-", "value": new} for new in after[len(before) :]]


def _names(entries: list[Any]) -> list[Any]:
    return [each.get("name") if isinstance(each, dict) else None for each in entries]


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
