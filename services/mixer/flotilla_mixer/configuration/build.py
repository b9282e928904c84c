"""The whole configuration, of everything that Galley sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flotilla_mixer.attributes.view import ClusterView, MeshView, mesh_view
from flotilla_mixer.configuration.handlers import HandlerConfig, HandlerReader
from flotilla_mixer.configuration.instances import Instance, InstanceReader
from flotilla_mixer.configuration.operations import Directive
from flotilla_mixer.configuration.quota_specs import QuotaPlan, quota_plan
from flotilla_mixer.configuration.rules import Action, RuleReader
from flotilla_mixer.configuration.vocabulary import vocabulary
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model import kinds
from flotilla_shared.model.expressions import ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

COLLECTIONS = (
    kinds.MESH_CONFIG,
    kinds.RULES,
    kinds.HANDLERS,
    kinds.INSTANCES,
    kinds.ATTRIBUTE_MANIFESTS,
    kinds.QUOTA_SPECS,
    kinds.QUOTA_SPEC_BINDINGS,
    kinds.WORKLOAD_ENTRIES,
    kinds.SERVICE_ENTRIES,
)
# Objects of these collections are Mixer's to judge; of the others it only takes what it needs.
JUDGED = frozenset(
    (
        kinds.RULES,
        kinds.HANDLERS,
        kinds.INSTANCES,
        kinds.ATTRIBUTE_MANIFESTS,
        kinds.QUOTA_SPECS,
        kinds.QUOTA_SPEC_BINDINGS,
    )
)

V = TypeVar("V")
Collections = Mapping[str, Mapping[ObjectKey, ConfigObject]]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that Mixer does, as values. `actions` are in the order of their rules' names."""

    version: str = ""
    view: MeshView = field(default_factory=MeshView)
    actions: tuple[Action, ...] = ()
    directives: tuple[Directive, ...] = ()
    quotas: QuotaPlan = field(default_factory=QuotaPlan)
    vocabulary: Mapping[str, ValueType] = field(default_factory=dict)
    handlers: Mapping[ObjectKey, HandlerConfig] = field(default_factory=dict)
    instances: tuple[InstanceSpec, ...] = ()
    objects: Mapping[ObjectKey, ConfigObject] = field(default_factory=dict)
    problems: Mapping[ObjectKey, tuple[Problem, ...]] = field(default_factory=dict)


def build_configuration(
    collections: Collections,
    adapters: Mapping[str, Adapter],
    trust_domain: str,
    cluster: ClusterView | None = None,
) -> Configuration:
    """The configuration of these objects, and what the cluster has beside them. What is wrong with one object never
    keeps the others from their effect.
    """
    problems = ProblemLog()
    words = vocabulary(collections[kinds.ATTRIBUTE_MANIFESTS].values(), problems)
    reader = InstanceReader(words, problems)
    instances = _present({item.key: reader.read(item) for item in _ordered(collections[kinds.INSTANCES])})
    handler_reader = HandlerReader(adapters, problems)
    known = _present({item.key: handler_reader.adapter_of(item) for item in _ordered(collections[kinds.HANDLERS])})
    rule_reader = RuleReader(known, instances, words, problems)
    actions = [action for item in _ordered(collections[kinds.RULES]) for action in rule_reader.read(item)]
    handlers = _handlers(collections, handler_reader, actions)
    for action in actions:
        if action.handler not in handlers:
            text = f"the handler {action.handler.full_name} has errors itself; what goes to it has no effect."
            problems.error(action.rule, "no-handler", "spec.actions", text)
    view = mesh_view(
        collections[kinds.WORKLOAD_ENTRIES].values(), collections[kinds.SERVICE_ENTRIES].values(), trust_domain, cluster
    )
    objects = {key: item for name in sorted(collections) for key, item in collections[name].items()}
    return Configuration(
        version=_version(objects),
        view=view,
        actions=tuple(action for action in actions if action.handler in handlers),
        directives=tuple(rule_reader.directives),
        quotas=quota_plan(collections[kinds.QUOTA_SPECS], collections[kinds.QUOTA_SPEC_BINDINGS], problems),
        vocabulary=words,
        handlers=handlers,
        instances=tuple(instance.spec for instance in instances.values()),
        objects=objects,
        problems=problems.found(),
    )


def _handlers(
    collections: Collections, reader: HandlerReader, actions: Iterable[Action]
) -> dict[ObjectKey, HandlerConfig]:
    """The handlers that some rule uses, each with the instances that go to it."""
    bound: dict[ObjectKey, dict[str, InstanceSpec]] = {}
    for action in actions:
        used: dict[str, Instance] = {each.spec.name: each for each in action.instances}
        bound.setdefault(action.handler, {}).update({name: each.spec for name, each in used.items()})
    items = collections[kinds.HANDLERS]
    return _present({key: reader.read(items[key], tuple(found.values())) for key, found in sorted(bound.items())})


def _ordered(collection: Mapping[ObjectKey, ConfigObject]) -> list[ConfigObject]:
    return [collection[key] for key in sorted(collection)]


def _present(found: Mapping[ObjectKey, V | None]) -> dict[ObjectKey, V]:
    return {key: value for key, value in found.items() if value is not None}


def _version(objects: Mapping[ObjectKey, ConfigObject]) -> str:
    digest = hashlib.sha256()
    for key in sorted(objects):
        digest.update(f"{key}@{objects[key].version}\0".encode())
    return digest.hexdigest()[:12]
