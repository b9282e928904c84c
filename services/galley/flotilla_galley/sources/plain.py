"""Fields of plain data by their types. Each raises Unusable, with the field's path, for a value of another type.

`path` is what stands before the field: empty, or ending in a dot. Absent and null are the type's empty value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_galley.sources.documents import Unusable


def _wrong(path: str, field: str, what: str) -> Unusable:
    return Unusable("wrong-type", f"{path}{field}", f"{path}{field} must be {what}")


def mapping(value: Mapping[str, Any], field: str, path: str) -> Mapping[str, Any]:
    found = value.get(field)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(path, field, "a mapping of fields")
    return found


def entries(value: Mapping[str, Any], field: str, path: str) -> list[Mapping[str, Any]]:
    found = value.get(field)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _wrong(path, field, "a list of mappings")
    return found


def strings(value: Mapping[str, Any], field: str, path: str) -> list[str]:
    found = value.get(field)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _wrong(path, field, "a list of texts")
    return found


def text(value: Mapping[str, Any], field: str, path: str) -> str:
    found = value.get(field)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _wrong(path, field, "text (quote it)")
    return found


def whole(value: Mapping[str, Any], field: str, path: str) -> int:
    """A port's number; 0 where there is none."""
    found = value.get(field)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= 65535:
        raise _wrong(path, field, "a number from 0 to 65535")
    return found


def pairs(value: Mapping[str, Any], field: str, path: str) -> Mapping[str, str]:
    found = mapping(value, field, path)
    if not all(isinstance(each, str) for each in found.values()):
        raise _wrong(path, field, "a mapping of names to text (quote it)")
    return found
