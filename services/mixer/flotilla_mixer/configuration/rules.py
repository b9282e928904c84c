"""Rules: when which instances go to which handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flotilla_mixer.configuration.instances import Instance, Vocabulary
from flotilla_mixer.configuration.names import resolve
from flotilla_mixer.configuration.operations import Directive, read_directive
from flotilla_mixer.expressions.compile import compile_expression
from flotilla_mixer.kit.adapter import Adapter
from flotilla_shared.model import kinds
from flotilla_shared.model.expressions import ExpressionError, ValueType, check, parse
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Match = Callable[[Mapping[str, object]], object]
ALWAYS = ("", "true")


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """Instances for one handler, of one rule. `match` is None when the rule always holds."""

    rule: ObjectKey
    handler: ObjectKey
    match_text: str
    match: Match | None
    instances: tuple[Instance, ...]


class RuleReader:
    """Reads the rules of one configuration, given its adapters by handler and its instances. `directives` grow with
    every rule that is read.
    """

    def __init__(
        self,
        handlers: Mapping[ObjectKey, Adapter],
        instances: Mapping[ObjectKey, Instance],
        vocabulary: Vocabulary,
        problems: ProblemLog,
    ) -> None:
        self._handlers = handlers
        self._instances = instances
        self._vocabulary = vocabulary
        self._problems = problems
        self._matches: dict[str, Match] = {}
        self.directives: list[Directive] = []

    def read(self, item: ConfigObject) -> list[Action]:
        """What the rule does; nothing when its match is wrong. What is wrong is told, the rest takes effect."""
        text = item.spec.match.strip()
        try:
            match = self._match(text)
        except ExpressionError as error:
            self._problems.error(item.key, "bad-match", "spec.match", f"{text!r}: {error}.")
            return []
        directive = read_directive(item, text, match, self._vocabulary, self._problems)
        if directive is not None:
            self.directives.append(directive)
        if item.spec.HasField("sampling"):
            said = "Istio 1.4 never sampled, and neither does this Mixer: every call is reported."
            self._problems.warning(item.key, "no-effect", "spec.sampling", said)
        actions = []
        for number, action in enumerate(item.spec.actions):
            found = self._action(item, f"spec.actions[{number}]", action)
            if found is not None:
                actions.append(Action(item.key, found[0], text, match, found[1]))
        return actions

    def _match(self, text: str) -> Match | None:
        if text.lower() in ALWAYS:
            return None
        if text not in self._matches:
            expression = parse(text)
            kind = check(expression, self._vocabulary)
            if kind is not ValueType.BOOL:
                raise ExpressionError(f"it is {kind}, and a match must be {ValueType.BOOL}", 0)
            self._matches[text] = compile_expression(expression, self._vocabulary)
        return self._matches[text]

    def _action(self, item: ConfigObject, path: str, action: object) -> tuple[ObjectKey, tuple[Instance, ...]] | None:
        reference: str = action.handler  # type: ignore[attr-defined]
        names: Iterable[str] = action.instances  # type: ignore[attr-defined]
        handler = resolve(kinds.HANDLERS, reference, item.key.namespace)
        if handler is None or handler not in self._handlers:
            text = f"there is no handler {reference!r} that works; the action has no effect."
            self._problems.error(item.key, "no-handler", f"{path}.handler", text)
            return None
        instances: dict[str, Instance] = {}
        for number, name in enumerate(names):
            found = self._instance(item, f"{path}.instances[{number}]", name, self._handlers[handler])
            if found is None:
                continue
            if found.spec.name in instances:
                text = f"the instance {name!r} is named twice; it is used once."
                self._problems.warning(item.key, "twice", f"{path}.instances[{number}]", text)
            instances[found.spec.name] = found
        return (handler, tuple(instances.values())) if instances else None

    def _instance(self, item: ConfigObject, path: str, name: str, adapter: Adapter) -> Instance | None:
        key = resolve(kinds.INSTANCES, name, item.key.namespace)
        found = self._instances.get(key) if key is not None else None
        if found is None:
            text = f"there is no instance {name!r} that works; it is left out."
            self._problems.error(item.key, "no-instance", path, text)
            return None
        if found.spec.template.name not in adapter.templates:
            taken = ", ".join(sorted(adapter.templates))
            text = (
                f"the instance {name!r} is of template {found.spec.template.name}, "
                f"and the adapter {adapter.name} takes {taken}."
            )
            self._problems.error(item.key, "wrong-template", path, text)
            return None
        return found
