"""All analyzers, by Istio's age. A module is listed here once; a test holds that none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.analyzers import schema_validation, sidecar_selector

RuleSet = Literal["today", "1.4"]


def _by_name(analyzers: Sequence[Analyzer]) -> tuple[Analyzer, ...]:
    return tuple(sorted(analyzers, key=lambda each: each.name))


TODAY: tuple[Analyzer, ...] = _by_name(
    [
        *schema_validation.ANALYZERS,
        sidecar_selector.ANALYZER,
        sidecar_selector.DEFAULT_ANALYZER,
    ]
)
# Those of today's that 1.4 had too, with the same findings, and its own.
OF_1_4: tuple[Analyzer, ...] = _by_name(
    [
        *schema_validation.ANALYZERS,
        sidecar_selector.ANALYZER_OF_1_4,
        sidecar_selector.DEFAULT_ANALYZER,
    ]
)
BY_RULE_SET = {"today": TODAY, "1.4": OF_1_4}


def chosen(rule_set: RuleSet = "today", names: Sequence[str] = ()) -> tuple[Analyzer, ...]:
    """The analyzers that run by default, or those that are named. Raises ValueError for a name that there is not."""
    known = {each.name: each for each in BY_RULE_SET[rule_set]}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no analyzer {name!r}; `flotilla analyze -L` lists those that there are")
    if names:
        return tuple(known[name] for name in sorted(set(names)))
    return tuple(each for each in known.values() if each.by_default)
