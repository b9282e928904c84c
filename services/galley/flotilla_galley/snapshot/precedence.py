"""Several sources at once: whose object counts where two have one of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flotilla_galley.snapshot.ledger import Entry, Ledger
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import ObjectKey, Problem


def settled(ledgers: Sequence[Ledger]) -> list[Ledger]:
    """The ledgers without what an earlier one distributes, which is told where it is left out.

    An object of which the earlier source distributes nothing is in nobody's way.
    """
    taken: dict[ObjectKey, Entry] = {}
    result: list[Ledger] = []
    for ledger in ledgers:
        kept = {key: entry for key, entry in ledger.entries.items() if key not in taken}
        told = [_shadowed(entry, taken[key]) for key, entry in ledger.entries.items() if key in taken]
        result.append(replace(ledger, entries=kept, problems=(*ledger.problems, *told)) if told else ledger)
        taken.update((key, entry) for key, entry in kept.items() if entry.item is not None)
    return result


def _shadowed(entry: Entry, first: Entry) -> Problem:
    kind = by_collection(entry.key.collection)
    name = f"{kind.kind if kind is not None else entry.key.collection} {entry.key.full_name}"
    text = f"{name} is already defined at {first.place}, which counts; remove one of the two"
    return Problem("duplicate-object", "metadata.name", text, file=entry.file, line=entry.line)
