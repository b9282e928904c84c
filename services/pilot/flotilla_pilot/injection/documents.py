"""`kube-inject`: a file of objects, those that make pods with a proxy in them. Offline and pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import yaml

from flotilla_pilot.injection.context import Injector
from flotilla_pilot.injection.decision import decide
from flotilla_pilot.injection.document import Json, at, listing, mapping
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.inject import inject
from flotilla_shared.model.owners import Owner

# Where the pod stands in what makes it.
PLACES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "ReplicationController": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DeploymentConfig": ("spec", "template"),
}
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object that makes pods and was let be."""

    name: str
    reason: str


def inject_documents(injector: Injector, text: str, on_skip: Callable[[Skipped], None] = lambda skipped: None) -> str:
    """YAML in, YAML out, documents in their order. Raises InjectionRefused, naming the object."""
    return "---\n".join(
        yaml.dump(inject_object(injector, each, on_skip), Dumper=yaml.CSafeDumper, sort_keys=False)
        for each in read_documents(text)
    )


def read_documents(text: str) -> Iterator[Json]:
    """Documents that hold an object. Raises InjectionRefused for what is not YAML."""
    try:
        for each in yaml.load_all(text, Loader=yaml.CSafeLoader):  # the safe one
            if isinstance(each, dict):
                yield each
            elif each is not None:
                raise InjectionRefused(f"a document holds a {type(each).__name__} where an object must stand")
    except yaml.YAMLError as error:
        raise InjectionRefused(f"it is not YAML: {' '.join(str(error).split())}") from error


def inject_object(injector: Injector, content: Json, on_skip: Callable[[Skipped], None] = lambda skipped: None) -> Json:
    """An object with its pods injected; others, and those that are not to be injected, as they are."""
    kind = str(content.get("kind"))
    if kind == "List":
        return {**content, "items": [inject_object(injector, each, on_skip) for each in listing(content.get("items"))]}
    place = PLACES.get(kind)
    if place is None or (place and not isinstance(at(content, *place), dict)):
        return content
    namespace = str(at(content, "metadata", "namespace") or DEFAULT_NAMESPACE)
    pod = at(content, *place) if place else content
    where = f'{kind} "{namespace}/{at(content, "metadata", "name")}"'
    decision = decide(pod, namespace, injector.config)
    if not decision.inject:
        on_skip(Skipped(where, decision.reason))
        return content
    try:
        injected = inject(injector, pod, namespace, owner=_owner(content, kind))
    except InjectionRefused as error:
        raise InjectionRefused(f"{where}: {error}") from error
    return _with(content, place, injected)


def _owner(content: Json, kind: str) -> Owner | None:
    """Who makes the pods; a pod says so itself."""
    if kind == "Pod":
        return None
    return Owner(str(content.get("apiVersion")), kind, str(at(content, "metadata", "name") or ""))


def _with(content: Json, place: tuple[str, ...], pod: Json) -> Json:
    if not place:
        return pod
    changed = deepcopy(content)
    parent = changed
    for part in place[:-1]:
        parent = mapping(parent[part])
    parent[place[-1]] = pod
    return changed
