"""Handlers and instances in both forms in which people write them.

Since Istio 1.1 there is one kind `handler` and one kind `instance`. Before it each adapter and each template had a
kind of its own (`kind: denier`, `kind: metric`), whose spec is what `params` are today; 1.4 still read those. Here
both become the message of today's form, under the key of the object that was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Handler, Instance
from flotilla_shared.model import kinds
from flotilla_shared.model.legacy_kinds import LEGACY_COLLECTIONS
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

Collections = Mapping[str, Mapping[ObjectKey, ConfigObject]]
Problems = Mapping[ObjectKey, tuple[Problem, ...]]

LEGACY_TEMPLATES = frozenset(
    (
        "apikey",
        "authorization",
        "checknothing",
        "edge",
        "kubernetes",
        "listentry",
        "logentry",
        "metric",
        "quota",
        "reportnothing",
        "tracespan",
    )
)
"""The kinds of one template; all other legacy kinds are of one adapter each."""
LEGACY_INSTANCES = tuple(name for name, kind in LEGACY_COLLECTIONS.items() if kind in LEGACY_TEMPLATES)
LEGACY_HANDLERS = tuple(name for name in LEGACY_COLLECTIONS if name not in LEGACY_INSTANCES)


def handlers(collections: Collections) -> dict[ObjectKey, ConfigObject]:
    """All handlers: `spec` of each is a Handler."""
    found = dict(collections[kinds.HANDLERS])
    for kind, item in _legacy(collections, LEGACY_HANDLERS):
        found[item.key] = replace(item, spec=Handler(compiled_adapter=kind, params=item.spec))
    return found


def instances(collections: Collections) -> dict[ObjectKey, ConfigObject]:
    """All instances: `spec` of each is an Instance."""
    found = dict(collections[kinds.INSTANCES])
    for kind, item in _legacy(collections, LEGACY_INSTANCES):
        found[item.key] = replace(item, spec=_instance(kind, item.spec))
    return found


def _instance(template: str, spec: Any) -> Instance:
    """What a generator's output is called stands among the other fields in this form, as it did in 1.4."""
    made = Instance(compiled_template=template, params=spec)
    bindings = [name for name in ("attribute_bindings", "attributeBindings") if name in spec.fields]
    for name in bindings:
        for attribute, text in made.params.fields.pop(name).struct_value.fields.items():
            made.attribute_bindings[attribute] = text.string_value
    return made


def _legacy(collections: Collections, names: tuple[str, ...]) -> Iterator[tuple[str, ConfigObject]]:
    for name in names:
        for item in collections.get(name, {}).values():
            yield LEGACY_COLLECTIONS[name], item


def as_written(problems: Problems) -> dict[ObjectKey, tuple[Problem, ...]]:
    """The same problems with the paths of the objects as they stand: legacy kinds have no `params`."""
    return {
        key: tuple(_as_written(each) for each in found) if key.collection in LEGACY_COLLECTIONS else found
        for key, found in problems.items()
    }


def _as_written(problem: Problem) -> Problem:
    if problem.field in ("spec.compiledAdapter", "spec.compiledTemplate"):
        return replace(problem, field="kind")
    return replace(problem, field=problem.field.replace("spec.params", "spec", 1))
