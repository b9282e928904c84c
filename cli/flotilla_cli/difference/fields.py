"""Field by field: where two values of plain data differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` or `after` is ABSENT where the field is not there."""

    path: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """`before` and `after` only where they are there."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path} | {name: value for name, value in sides.items() if value is not ABSENT}


def field_changes(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """The outermost fields that are not the same, in the order of their names; items of lists by their place."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            where = f"{path}.{name}" if path else name
            yield from field_changes(before.get(name, ABSENT), after.get(name, ABSENT), where)
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            left, right = (each[index] if index < len(each) else ABSENT for each in (before, after))
            yield from field_changes(left, right, f"{path}[{index}]")
    elif type(before) is not type(after) or before != after:
        yield FieldChange(path, before, after)
