"""The introspection topic `distribution`: what is the newest of each collection, who has it, and who not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.subscription import Watch


def distribution_view(distributor: Distributor) -> dict[str, object]:
    """Plain data: `collections` that hold or are asked for anything, and `sinks`, a row for each collection of each."""
    sinks = list(_sinks(distributor))
    asked = {row["collection"] for row in sinks}
    snapshot = distributor.snapshot
    found = snapshot.collections if snapshot is not None else {}
    collections = [
        {
            "collection": name,
            "version": each.version,
            "objects": len(each.items),
            **_counted([row for row in sinks if row["collection"] == name]),
        }
        for name, each in found.items()
        if each.items or name in asked
    ]
    return {"collections": collections, "sinks": sinks}


def _sinks(distributor: Distributor) -> Iterator[dict[str, str]]:
    snapshot = distributor.snapshot
    for subscription in distributor.subscriptions:
        for name, watch in subscription.watches.items():
            current = snapshot.collections[name].version if snapshot is not None else ""
            yield {
                "caller": subscription.caller,
                "collection": name,
                "state": _state(watch, current),
                "acknowledged": watch.acked,
                "sent": watch.offered or "",
                "refused": watch.refused,
            }


def _state(watch: Watch, current: str) -> str:
    """`current`, `refused`, or `waiting`: for its answer, or for a first snapshot."""
    if watch.refused and watch.answering is None and watch.offered == current:
        return "refused"
    # An increment that would be empty is not sent: then who has what was offered last has all.
    return "current" if watch.answering is None and watch.offered == current and current else "waiting"


def _counted(rows: list[dict[str, str]]) -> dict[str, int]:
    counts = Counter(row["state"] for row in rows)
    return {state: counts[state] for state in ("current", "waiting", "refused")}
