"""Which pods a selector selects, and how a selector is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.kinds import PODS
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.labels import selects


def shown(selector: Mapping[str, str]) -> str:
    """`app=reviews,version=v1`, in the order of names."""
    return ",".join(f"{name}={value}" for name, value in sorted(selector.items()))


def pods_selected(view: View, selector: Mapping[str, str], namespace: str | None = None) -> list[Resource]:
    """The pods of a namespace, or of all (None), that have these labels. An empty selector selects all."""
    return [
        pod
        for pod in view.all(PODS)
        if (namespace is None or pod.namespace == namespace) and selects(selector, pod.labels)
    ]


def names(resources: Iterable[Resource]) -> str:
    """`a, b`: the names without namespaces, each once."""
    return ", ".join(sorted({each.name for each in resources}))


def full_names(resources: Iterable[Resource]) -> str:
    """`default/a, default/b`, each once."""
    return ", ".join(sorted({each.full_name for each in resources}))
