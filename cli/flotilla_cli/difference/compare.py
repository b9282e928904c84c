"""Two sets of objects, compared one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla_cli.difference.fields import ABSENT, FieldChange, field_changes
from flotilla_cli.difference.items import Item
from flotilla_cli.difference.secrets import masked
from flotilla_shared.model.objects import ObjectKey


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One object. `before` or `after` is None where it is not there."""

    change: Change
    before: Item | None
    after: Item | None

    @property
    def item(self) -> Item:
        found = self.after or self.before
        assert found is not None
        return found

    def contents(self) -> tuple[Any, Any]:
        """Both sides as they may be shown, ABSENT where there is none."""
        return masked(*(ABSENT if each is None else each.content for each in (self.before, self.after)))

    def fields(self) -> list[FieldChange]:
        """What of it changes; secrets are hidden."""
        before, after = self.contents()
        return list(field_changes({} if before is ABSENT else before, {} if after is ABSENT else after))


def compare(held: Mapping[ObjectKey, Item], wanted: Iterable[Item], *, prune: bool) -> list[Difference]:
    """In the order of what is wanted; then, with `prune`, what is held and not wanted, by its key."""
    found: list[Difference] = []
    seen: set[ObjectKey] = set()
    for item in wanted:
        seen.add(item.key)
        before = held.get(item.key)
        change = Change.ADDED if before is None else Change.CHANGED
        if before is not None and before.content == item.content:
            change = Change.UNCHANGED
        found.append(Difference(change, before, item))
    if prune:
        found += [Difference(Change.REMOVED, held[key], None) for key in sorted(held) if key not in seen]
    return found
