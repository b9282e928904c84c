"""The dispatch table: for each namespace what to ask and what to report, ready to be called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla_mixer.attributes.typed import Declared, python_types
from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.configuration.build import Configuration
from flotilla_mixer.configuration.instances import Instance
from flotilla_mixer.configuration.operations import Directive
from flotilla_mixer.configuration.rules import Action, Match
from flotilla_mixer.configuration.sampling import Sampler
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.templates.template import Variety
from flotilla_shared.model.objects import ObjectKey


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Instances for a handler."""

    handler: BuiltHandler
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What happens when one condition holds. Rules with the same match share a group: it is asked once."""

    match: Match | None
    match_text: str
    targets: tuple[Target, ...]
    instances: int = field(init=False)
    """How many are made when the condition holds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "instances", sum(len(target.instances) for target in self.targets))


@dataclass(frozen=True, slots=True)
class NamespaceTable:
    """What concerns the workloads of one namespace: the rules of the default namespace, then its own."""

    check: tuple[Group, ...] = ()
    report: tuple[Group, ...] = ()
    generate: tuple[Group, ...] = ()
    quotas: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)  # by the instance's short name
    directives: tuple[Directive, ...] = ()


class DispatchTable:
    """One configuration, ready. Immutable but for the count of Checks that it has not answered yet; `idle` is set
    while there are none.
    """

    def __init__(
        self,
        configuration: Configuration,
        handlers: Mapping[ObjectKey, BuiltHandler],
        default_namespace: str,
    ) -> None:
        self.configuration = configuration
        self.by_key = dict(handlers)
        self.handlers = tuple(handlers.values())
        self.default_namespace = default_namespace
        self.open_calls = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.declared = Declared(python_types(configuration.vocabulary))
        self._default = _namespace_table(configuration, handlers, {default_namespace})
        namespaces = {each.rule.namespace for each in configuration.actions}
        namespaces |= {each.rule.namespace for each in configuration.directives}
        self._by_namespace = {
            namespace: _namespace_table(configuration, handlers, {default_namespace, namespace})
            for namespace in namespaces - {default_namespace}
        }

    def call_opens(self) -> None:
        """A Check begins to use the table."""
        self.open_calls += 1
        self.idle.clear()

    def call_ends(self) -> None:
        """A Check has been answered."""
        self.open_calls -= 1
        if not self.open_calls:
            self.idle.set()

    def destinations(self) -> Mapping[str, int]:
        """How many handlers are asked at most, by variety, in all namespaces together."""
        tables = (self._default, *self._by_namespace.values())
        found = dict.fromkeys(Variety, 0)
        for table in tables:
            quotas = (group for groups in table.quotas.values() for group in groups)
            for variety, groups in (
                (Variety.CHECK, table.check),
                (Variety.REPORT, table.report),
                (Variety.QUOTA, quotas),
                (Variety.ATTRIBUTE_GENERATOR, table.generate),
            ):
                found[variety] += len({id(target.handler) for group in groups for target in group.targets})
        return {f"TEMPLATE_VARIETY_{name.name}": number for name, number in found.items()}

    @property
    def view(self) -> MeshView:
        return self.configuration.view

    def namespaces(self) -> Mapping[str, NamespaceTable]:
        """What concerns each namespace that has rules of its own, and under an empty name all others."""
        return {**self._by_namespace, "": self._default}

    def of(self, namespace: str) -> NamespaceTable:
        """What concerns a workload of this namespace."""
        return self._by_namespace.get(namespace, self._default)


def _namespace_table(
    configuration: Configuration, handlers: Mapping[ObjectKey, BuiltHandler], namespaces: set[str]
) -> NamespaceTable:
    chosen = [each for each in configuration.actions if each.rule.namespace in namespaces and each.handler in handlers]
    return NamespaceTable(
        check=_groups(chosen, handlers, Variety.CHECK),
        report=_groups(chosen, handlers, Variety.REPORT),
        generate=_groups(chosen, handlers, Variety.ATTRIBUTE_GENERATOR),
        quotas=_by_quota(_groups(chosen, handlers, Variety.QUOTA)),
        directives=tuple(each for each in configuration.directives if each.rule.namespace in namespaces),
    )


def _by_quota(groups: Iterable[Group]) -> Mapping[str, tuple[Group, ...]]:
    """The groups of each quota; clients name it by its short name, in any case."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        names = {quota_name(each.spec.name) for target in group.targets for each in target.instances}
        for name in names:
            found.setdefault(name, []).append(_only(group, name))
    return {name: tuple(each) for name, each in found.items()}


def _only(group: Group, name: str) -> Group:
    """The group with the instances of one quota."""
    targets = (
        Target(each.handler, tuple(one for one in each.instances if quota_name(one.spec.name) == name))
        for each in group.targets
    )
    return Group(group.match, group.match_text, tuple(each for each in targets if each.instances))


def quota_name(instance: str) -> str:
    """`requestcount` of requestCount.instance.istio-system."""
    return instance.partition(".")[0].lower()


Asked = tuple[str, str]  # an instance, and the name of the action that wants its outputs


def _groups(
    actions: Iterable[Action], handlers: Mapping[ObjectKey, BuiltHandler], variety: Variety
) -> tuple[Group, ...]:
    """Actions by condition, then by handler; a handler gets an instance once for a condition, or, where its Checks give
    outputs, once for each name of an action. A rule that samples its reports is asked by itself.
    """
    found: dict[tuple[str, Sampler | None], tuple[Match | None, dict[ObjectKey, dict[Asked, Instance]]]] = {}
    for action in actions:
        instances = {
            (each.spec.name, action.name if variety is Variety.CHECK and each.spec.template.outputs else ""): each
            for each in action.instances
            if each.spec.template.variety is variety
        }
        if instances:
            sampler = action.sampler if variety is Variety.REPORT else None
            match = action.match if sampler is None else sampler.within(action.match)
            _, targets = found.setdefault((action.match_text, sampler), (match, {}))
            targets.setdefault(action.handler, {}).update(instances)
    return tuple(
        Group(match, text, tuple(Target(handlers[key], tuple(each.values())) for key, each in targets.items()))
        for (text, _), (match, targets) in found.items()
    )
