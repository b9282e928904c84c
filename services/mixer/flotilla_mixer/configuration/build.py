"""The whole configuration, of everything that Galley sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from flotilla_mixer.attributes.view import ClusterView, MeshView, mesh_view
from flotilla_mixer.configuration import written
from flotilla_mixer.configuration.api_specs import ApiPlan, api_plan
from flotilla_mixer.configuration.authorization import who_may
from flotilla_mixer.configuration.handlers import HandlerConfig, HandlerReader
from flotilla_mixer.configuration.instances import Instance, InstanceReader
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.operations import Directive
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.configuration.quota_specs import QuotaPlan, quota_plan
from flotilla_mixer.configuration.remote_handlers import RemoteHandlers, nowhere
from flotilla_mixer.configuration.remote_instances import RemoteInstances
from flotilla_mixer.configuration.remote_templates import RemoteObjects
from flotilla_mixer.configuration.rules import Action, RuleReader
from flotilla_mixer.configuration.undecodable import readable
from flotilla_mixer.configuration.vocabulary import vocabulary
from flotilla_mixer.configuration.written import LEGACY_HANDLERS, LEGACY_INSTANCES, as_written
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.kit.remote import Connect
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
    kinds.TEMPLATES,
    kinds.ADAPTERS,
    kinds.ATTRIBUTE_MANIFESTS,
    kinds.QUOTA_SPECS,
    kinds.QUOTA_SPEC_BINDINGS,
    kinds.HTTP_API_SPECS,
    kinds.HTTP_API_SPEC_BINDINGS,
    kinds.WORKLOAD_ENTRIES,
    kinds.SERVICE_ENTRIES,
    *LEGACY_HANDLERS,
    *LEGACY_INSTANCES,
    kinds.AUTHORIZATION_POLICIES,
    kinds.SERVICE_ROLES,
    kinds.SERVICE_ROLE_BINDINGS,
    kinds.RBAC_CONFIGS,
    kinds.CLUSTER_RBAC_CONFIGS,
)
# Objects of these collections are Mixer's to judge; of the others it only takes what it needs.
JUDGED = frozenset(
    (
        kinds.RULES,
        kinds.HANDLERS,
        kinds.INSTANCES,
        kinds.TEMPLATES,
        kinds.ADAPTERS,
        kinds.ATTRIBUTE_MANIFESTS,
        kinds.QUOTA_SPECS,
        kinds.QUOTA_SPEC_BINDINGS,
        kinds.HTTP_API_SPECS,
        kinds.HTTP_API_SPEC_BINDINGS,
        *LEGACY_HANDLERS,
        *LEGACY_INSTANCES,
    )
)

V = TypeVar("V")
Collections = Mapping[str, Mapping[ObjectKey, ConfigObject]]


def asked_collections(*, adapter_kinds: bool = True, template_kinds: bool = True) -> tuple[str, ...]:
    """`COLLECTIONS`, but for the legacy kinds of adapters or of templates that are not to be read."""
    left_out = (() if adapter_kinds else LEGACY_HANDLERS) + (() if template_kinds else LEGACY_INSTANCES)
    return tuple(name for name in COLLECTIONS if name not in left_out)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that Mixer does, as values. `actions` are in the order of their rules' names. `kept` has the versions
    of objects of which an older one than that in `objects` is in effect.
    """

    version: str = ""
    view: MeshView = field(default_factory=MeshView)
    actions: tuple[Action, ...] = ()
    directives: tuple[Directive, ...] = ()
    quotas: QuotaPlan = field(default_factory=QuotaPlan)
    apis: ApiPlan = field(default_factory=ApiPlan)
    vocabulary: Mapping[str, ValueType] = field(default_factory=dict)
    handlers: Mapping[ObjectKey, HandlerConfig] = field(default_factory=dict)
    instances: tuple[InstanceSpec, ...] = ()
    remote: RemoteObjects = field(default_factory=RemoteObjects)
    objects: Mapping[ObjectKey, ConfigObject] = field(default_factory=dict)
    problems: Mapping[ObjectKey, tuple[Problem, ...]] = field(default_factory=dict)
    kept: Mapping[ObjectKey, str] = field(default_factory=dict)


def build_configuration(
    collections: Collections,
    adapters: Mapping[str, Adapter],
    trust_domain: str,
    cluster: ClusterView | None = None,
    connect: Connect = nowhere,
    options: Options | None = None,
    memory: Memory | None = None,
) -> Configuration:
    """The configuration of these objects, and what the cluster has beside them. What is wrong with one object never
    keeps the others from their effect. Collections of legacy kinds may be missing: they count as empty. `connect` makes
    the handlers out of process; `memory` is that of the builds before.
    """
    options = options or Options()
    problems = ProblemLog()
    objects = {key: item for name in sorted(collections) for key, item in collections[name].items()}
    collections = readable(collections, problems)
    memory = Memory() if memory is None else memory
    words = memory.begin(vocabulary(collections[kinds.ATTRIBUTE_MANIFESTS].values(), problems))
    remote = RemoteObjects.read(collections[kinds.TEMPLATES], collections[kinds.ADAPTERS], problems, memory)
    instances = _present(_instances(written.instances(collections), remote, words, problems, options, memory))
    handler_reader = HandlerReader(adapters, problems)
    remote_handlers = RemoteHandlers(remote.adapters, connect, problems)
    written_handlers = written.handlers(collections)
    known = _adapters(written_handlers, handler_reader, remote_handlers)
    options.samplers.begin()
    rule_reader = RuleReader(known, instances, words, problems, options, memory)
    actions = [action for item in _ordered(collections[kinds.RULES]) for action in rule_reader.read(item)]
    handlers = _handlers(written_handlers, handler_reader, remote_handlers, actions)
    entries = collections[kinds.WORKLOAD_ENTRIES].values(), collections[kinds.SERVICE_ENTRIES].values()
    may = who_may(collections, trust_domain, handlers.values(), problems)
    return Configuration(
        version=_version(objects),
        view=replace(mesh_view(*entries, trust_domain, cluster), **may),
        actions=tuple(_with_handler(actions, handlers, problems)),
        directives=tuple(rule_reader.directives),
        quotas=quota_plan(collections[kinds.QUOTA_SPECS], collections[kinds.QUOTA_SPEC_BINDINGS], problems),
        apis=api_plan(collections[kinds.HTTP_API_SPECS], collections[kinds.HTTP_API_SPEC_BINDINGS], words, problems),
        vocabulary=words,
        handlers=handlers,
        instances=tuple(instance.spec for instance in instances.values()),
        remote=remote,
        objects=objects,
        problems=as_written(problems.found()),
    )


def _adapters(
    items: Mapping[ObjectKey, ConfigObject], reader: HandlerReader, remote: RemoteHandlers
) -> dict[ObjectKey, Adapter]:
    """The adapter of each handler that has one."""
    return _present({item.key: (remote if item.spec.adapter else reader).adapter_of(item) for item in _ordered(items)})


def _with_handler(
    actions: Iterable[Action], handlers: Mapping[ObjectKey, HandlerConfig], problems: ProblemLog
) -> Iterator[Action]:
    """The actions whose handler works; of the others their rules are told."""
    for action in actions:
        if action.handler in handlers:
            yield action
        else:
            text = f"the handler {action.handler.full_name} has errors itself; what goes to it has no effect."
            problems.error(action.rule, "no-handler", "spec.actions", text)


def _handlers(
    items: Mapping[ObjectKey, ConfigObject],
    reader: HandlerReader,
    remote: RemoteHandlers,
    actions: Iterable[Action],
) -> dict[ObjectKey, HandlerConfig]:
    """The handlers that some rule uses, each with the instances that go to it. What is wrong with the others is told."""
    bound: dict[ObjectKey, dict[str, InstanceSpec]] = {}
    for action in actions:
        used: dict[str, Instance] = {each.spec.name: each for each in action.instances}
        bound.setdefault(action.handler, {}).update({name: each.spec for name, each in used.items()})
    for item in _ordered(items):
        if item.key not in bound and not item.spec.adapter:
            reader.judge(item)
    return _present(
        {
            key: (remote if items[key].spec.adapter else reader).read(items[key], tuple(found.values()))
            for key, found in sorted(bound.items())
        }
    )


def _instances(
    items: Mapping[ObjectKey, ConfigObject],
    remote: RemoteObjects,
    words: Mapping[str, ValueType],
    problems: ProblemLog,
    options: Options,
    memory: Memory,
) -> dict[ObjectKey, Instance | None]:
    """Instances of templates that are here, and of those that are objects."""
    reader = InstanceReader(words, problems, options, memory)
    others = RemoteInstances(remote.templates, words, problems, options, memory)
    return {item.key: others.read(item) if item.spec.template else reader.read(item) for item in _ordered(items)}


def _ordered(collection: Mapping[ObjectKey, ConfigObject]) -> list[ConfigObject]:
    return [collection[key] for key in sorted(collection)]


def _present(found: Mapping[ObjectKey, V | None]) -> dict[ObjectKey, V]:
    return {key: value for key, value in found.items() if value is not None}


def _version(objects: Mapping[ObjectKey, ConfigObject]) -> str:
    digest = hashlib.sha256()
    for key in sorted(objects):
        digest.update(f"{key}@{objects[key].version}\0".encode())
    return digest.hexdigest()[:12]
