"""Selectors of Kubernetes with labels and expressions, as webhooks have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_galley.analysis.fields import mappings, pairs, text, texts
from flotilla_shared.model.labels import selects


def fits(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether labels are selected. No selector selects everything, and one with an unknown operator nothing."""
    if not isinstance(selector, Mapping):
        return selector is None
    expressions = mappings(selector, "matchExpressions")
    return selects(pairs(selector, "matchLabels"), labels) and all(_holds(each, labels) for each in expressions)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = text(expression, "key"), text(expression, "operator"), texts(expression, "values")
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (operator == "Exists" and key in labels) or (operator == "DoesNotExist" and key not in labels)
