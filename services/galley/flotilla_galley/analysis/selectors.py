"""Which pods a selector selects, and how a selector is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.kinds import PLANNED_PODS, PODS, SERVICES
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.labels import selects


def shown(selector: Mapping[str, str]) -> str:
    """`app=reviews,version=v1`, in the order of names."""
    return ",".join(f"{name}={value}" for name, value in sorted(selector.items()))


def pods_selected(view: View, selector: Mapping[str, str], namespace: str | None = None) -> list[Resource]:
    """The pods of a namespace, or of all (None), that have these labels, planned ones too. An empty selector selects all."""
    wanted = dict(selector)  # a map of protobuf is slow to look into
    by_label = view.once(_pods_by_label)
    candidates = min((by_label.get(pair, []) for pair in wanted.items()), key=len, default=all_pods(view))
    return [
        pod for pod in candidates if (namespace is None or pod.namespace == namespace) and selects(wanted, pod.labels)
    ]


def all_pods(view: View) -> tuple[Resource, ...]:
    """Those that are there, and those that are planned."""
    return (*view.all(PODS), *view.all(PLANNED_PODS))


def services_of(view: View, namespace: str) -> list[Resource]:
    """The Services of a namespace. The analyzer must read SERVICES."""
    return view.once(_services_by_namespace).get(namespace, [])


def _pods_by_label(view: View) -> dict[tuple[str, str], list[Resource]]:
    found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
    for pod in all_pods(view):
        for pair in pod.labels.items():
            found[pair].append(pod)
    return dict(found)


def _services_by_namespace(view: View) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = defaultdict(list)
    for service in view.all(SERVICES):
        found[service.namespace].append(service)
    return dict(found)


def names(resources: Iterable[Resource]) -> str:
    """`a, b`: the names without namespaces, each once."""
    return ", ".join(sorted({each.name for each in resources}))


def full_names(resources: Iterable[Resource]) -> str:
    """`default/a, default/b`, each once."""
    return ", ".join(sorted({each.full_name for each in resources}))
