"""The webhooks of the control plane among all webhooks of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.fields import at, mappings, numbered, pairs, text, texts
from flotilla_galley.analysis.kinds import MUTATING_WEBHOOKS
from flotilla_galley.analysis.label_selectors import fits
from flotilla_galley.analysis.membership import REVISION_LABEL
from flotilla_galley.analysis.resource import Resource

_SELECTORS = ("namespaceSelector", "objectSelector")


def hooks_of(configuration: Resource) -> list[tuple[int, Mapping[str, Any]]]:
    """(index, webhook) of each."""
    return numbered(configuration.value, "webhooks")


def is_istios(hook: Mapping[str, Any]) -> bool:
    return text(hook, "name").endswith("istio.io")


def injectors(view: View) -> list[Mapping[str, Any]]:
    """Every injection webhook. The analyzer must read MUTATING_WEBHOOKS."""
    return [hook for each in view.all(MUTATING_WEBHOOKS) for _, hook in hooks_of(each) if is_istios(hook)]


def takes(hook: Mapping[str, Any], namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    """Whether a webhook is called for pods of these labels in a namespace of those."""
    return fits(at(hook, "namespaceSelector"), namespace) and fits(at(hook, "objectSelector"), pod)


def revisions_of(configuration: Resource) -> Iterator[str]:
    """The revisions that it names, in labels and selectors."""
    if REVISION_LABEL in configuration.labels:
        yield configuration.labels[REVISION_LABEL]
    for _, hook in hooks_of(configuration):
        for name in _SELECTORS:
            labels = pairs(hook, name, "matchLabels")
            if REVISION_LABEL in labels:
                yield labels[REVISION_LABEL]
            for expression in mappings(hook, name, "matchExpressions"):
                if text(expression, "key") == REVISION_LABEL:
                    yield from texts(expression, "values")
