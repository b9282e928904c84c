"""Differences for people, as `diff -u` shows them, and for programs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from flotilla_cli.difference.compare import Change, Difference
from flotilla_cli.difference.fields import ABSENT
from flotilla_cli.difference.wanted import Wanted
from flotilla_cli.excerpt import painted, printable

CONTEXT = 3
_COLOURS = {"+": "good", "-": "error", "@": "info"}


def text_of(difference: Difference, *, colour: bool) -> str:
    """One object's change; "" for one that stays as it is."""
    if difference.change is Change.UNCHANGED:
        return ""
    before, after = (_lines(content) for content in difference.contents())
    name = difference.item.name
    head = [_place(name, each.place if each is not None else None) for each in (difference.before, difference.after)]
    body = list(difflib.unified_diff(before, after, lineterm="", n=CONTEXT))[2:]
    shown = [f"{difference.change.value} {name}", f"--- {head[0]}", f"+++ {head[1]}", *body]
    return "\n".join(_shown(line, number, colour=colour) for number, line in enumerate(shown)) + "\n"


def _place(name: str, place: str | None) -> str:
    if place is None:
        return "/dev/null"
    return f"{name} ({place})" if place else name


def _lines(content: Any) -> Sequence[str]:
    if content is ABSENT:
        return []
    return yaml.dump(content, Dumper=yaml.CSafeDumper, allow_unicode=True, width=1 << 20).splitlines()


def _shown(line: str, number: int, *, colour: bool) -> str:
    line = printable(line)
    if number == 0:
        return painted("place", line, colour=colour)
    name = _COLOURS.get(line[:1])
    return painted(name, line, colour=colour) if name is not None else line


def summary(differences: Iterable[Difference], wanted: Wanted, where: str) -> str:
    """A sentence of numbers."""
    counts = Counter(each.change for each in differences)
    parts = [f"{counts[change]} {change.value}" for change in Change if counts[change] or change is not Change.REMOVED]
    if wanted.errors:
        parts.append(f"{wanted.errors} errors")
    if wanted.foreign:
        parts.append(f"{wanted.foreign} of kinds that Galley does not read")
    return f"against {where}: {', '.join(parts)}"


def as_json(differences: Sequence[Difference], wanted: Wanted, where: str) -> dict[str, Any]:
    """All that is known; in the order of text."""
    counts = Counter(each.change for each in differences)
    return {
        "against": where,
        "faults": [{"severity": severity, "object": about} | asdict(found) for severity, about, found in wanted.faults],
        "objects": list(_objects(differences)),
        "summary": {change.value: counts[change] for change in Change} | {"otherKinds": wanted.foreign},
    }


def _objects(differences: Iterable[Difference]) -> Iterator[dict[str, Any]]:
    for each in differences:
        item = each.item
        yield {
            "change": each.change.value,
            "kind": item.kind,
            "namespace": item.key.namespace,
            "name": item.key.name,
            "before": each.before.place if each.before is not None else None,
            "after": each.after.place if each.after is not None else None,
            "fields": [field.as_dict() for field in each.fields()],
        }
