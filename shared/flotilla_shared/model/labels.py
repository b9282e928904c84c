"""Labels and what selects them."""

from __future__ import annotations

from collections.abc import Mapping


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether all pairs of the selector are among the labels; an empty selector selects everything."""
    return all(labels.get(name) == value for name, value in selector.items())
