"""Tables for the terminal and for docs: plain Markdown, the ratio first."""

from __future__ import annotations

from collections.abc import Sequence


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table under a heading; numbers are right-aligned by width."""
    texts = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in texts)) for i, column in enumerate(header)]
    lines = [f"### {title}", "", _line(header, widths), _line(["-" * width for width in widths], widths)]
    lines += [_line(row, widths) for row in texts]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; of none it is 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
