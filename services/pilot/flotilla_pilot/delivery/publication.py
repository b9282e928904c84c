"""A snapshot on its way to the proxies."""

from dataclasses import dataclass

from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.objects import ObjectKey


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """`changed` are the objects that differ from the publication before, `since` when the first of these
    changes arrived (seconds of time.monotonic).
    """

    snapshot: MeshSnapshot
    changed: frozenset[ObjectKey]
    since: float


def changed_objects(before: MeshSnapshot | None, after: MeshSnapshot) -> frozenset[ObjectKey]:
    """The objects that were added, removed or have another version."""
    old = before.objects if before is not None else {}
    changed = {key for key, item in after.objects.items() if old.get(key) != item}
    return frozenset(changed | {key for key in old if key not in after.objects})
