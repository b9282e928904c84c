"""Findings as text for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flotilla_cli.health.finding import Finding, Level, Section

SIGNS = {Level.OK: "✓", Level.WARNING: "!", Level.PROBLEM: "✗", Level.SKIPPED: "?"}


def lines(section: Section, findings: Sequence[Finding], *, short: bool) -> list[str]:
    """A section's text; the short form leaves out what is well, and sections in which all is."""
    shown = [each for each in findings if not (short and each.level is Level.OK)]
    if not shown:
        return []
    text = [section.title]
    for each in shown:
        text.append(f"  {SIGNS[each.level]} {each.text}")
        if each.mend:
            text.append(f"      {each.mend}")
    return [*text, ""]


def summary(findings: Sequence[Finding]) -> str:
    problems, warnings = (sum(each.level is level for each in findings) for level in (Level.PROBLEM, Level.WARNING))
    if problems:
        return f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}."
    return f"No problem, {_count(warnings, 'warning')}." if warnings else "All is well."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def as_json(found: Sequence[tuple[Section, Sequence[Finding]]]) -> str:
    sections = [
        {
            "section": section.title,
            "findings": [{"level": each.level, "text": each.text, "mend": each.mend} for each in findings],
        }
        for section, findings in found
    ]
    return json.dumps(
        {"ok": healthy([each for _, findings in found for each in findings]), "sections": sections}, indent=2
    )


def healthy(findings: Sequence[Finding]) -> bool:
    return not any(each.level is Level.PROBLEM for each in findings)
