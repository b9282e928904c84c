"""The record of outages, as text: one at a time for the terminal, all as tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flotilla_mixer.testing.outages.outcome import BECAME, NOTICED, Outcome


def spelled(name: str, outcome: Outcome) -> str:
    """One outcome, with its faults."""
    cells = zip((*NOTICED, *BECAME), (*outcome.noticed(), *outcome.became()), strict=True)
    failed = [f"calls that failed: {dict(outcome.failed)}"] if outcome.failed else []
    return "\n  ".join(
        [name, *(f"{title}: {cell}" for title, cell in cells if cell != "-"), *failed, *outcome.faults()]
    )


def tables(outcomes: Mapping[str, Outcome]) -> str:
    """What was noticed, and what became of the entries."""
    noticed = _table(NOTICED, ((name, outcome.noticed()) for name, outcome in outcomes.items()))
    return f"{noticed}\n{_table(BECAME, ((name, outcome.became()) for name, outcome in outcomes.items()))}"


def _table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    lines = [("", *header), ("---",) * (len(header) + 1), *((name, *cells) for name, cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
