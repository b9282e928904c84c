"""Rules: when which instances go to which handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flotilla_mixer.configuration.instances import Instance, Vocabulary
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.names import HANDLER, INSTANCE, by_full_name, resolve
from flotilla_mixer.configuration.operations import ActionOutput, Directive, read_directive
from flotilla_mixer.configuration.options import Options, language_for
from flotilla_mixer.configuration.sampling import Sampler
from flotilla_mixer.expressions.compile import compile_expression
from flotilla_mixer.expressions.languages import Language, read
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.templates.template import Variety
from flotilla_shared.model.expressions import ExpressionError, ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Match = Callable[[Mapping[str, object]], object]
ALWAYS = ("", "true")


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """Instances for one handler, of one rule. `match` is None when the rule always holds; `sampler` chooses what of it is
    reported.
    """

    rule: ObjectKey
    handler: ObjectKey
    match_text: str
    match: Match | None
    instances: tuple[Instance, ...]
    sampler: Sampler | None = None
    name: str = ""


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
        options: Options,
        memory: Memory,
    ) -> None:
        self._options = options
        self._handlers = handlers
        self._instances = instances
        self._handler_names = by_full_name(handlers)
        self._instance_names = by_full_name(instances)
        self._vocabulary = vocabulary
        self._problems = problems
        self._memory = memory
        self.directives: list[Directive] = []

    def read(self, item: ConfigObject) -> list[Action]:
        """What the rule does; nothing when its match is wrong. What is wrong is told, the rest takes effect."""
        language = language_for(item, self._options, self._problems)
        if language is None:
            return []
        text = item.spec.match.strip()
        try:
            match = self._match(text, language)
        except ExpressionError as error:
            self._problems.error(item.key, "bad-match", "spec.match", f"{text!r}: {error}.")
            return []
        if language is not self._options.language:
            text = f"{text} ({language})"  # conditions of one text are asked once
        sampler = None
        if self._options.sampling:
            sampler = self._options.samplers.of(item, self._vocabulary, language, self._problems)
        actions, outputs = [], []
        for number, action in enumerate(item.spec.actions):
            found = self._action(item, f"spec.actions[{number}]", action)
            if found is not None:
                actions.append(Action(item.key, found[0], text, match, found[1], sampler, action.name))
                outputs += _outputs(action.name, *found)
        directive = read_directive(item, text, match, self._vocabulary, self._problems, outputs, language)
        if directive is not None:
            self.directives.append(directive)
        if not (item.spec.actions or item.spec.request_header_operations or item.spec.response_header_operations):
            said = "the rule has neither actions nor header operations, so it does nothing."
            self._problems.warning(item.key, "no-effect", "spec.actions", said)
        return actions

    def _match(self, text: str, language: Language) -> Match | None:
        if text.lower() in ALWAYS:
            return None
        known: Match | None = self._memory.get(("match", text, language))
        if known is None:
            expression, kind = read(text, self._vocabulary, language)
            if kind is not ValueType.BOOL:
                raise ExpressionError(f"it is {kind}, and a match must be {ValueType.BOOL}", 0)
            known = self._memory.put(("match", text, language), compile_expression(expression, self._vocabulary))
        return known

    def _action(self, item: ConfigObject, path: str, action: object) -> tuple[ObjectKey, tuple[Instance, ...]] | None:
        reference: str = action.handler  # type: ignore[attr-defined]
        names: Iterable[str] = action.instances  # type: ignore[attr-defined]
        handler = resolve(self._handler_names, HANDLER, reference, item.key.namespace)
        if handler is None:
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
        if not action.instances:  # type: ignore[attr-defined]
            text = "the action names no instance, so nothing goes to its handler: name what it is to get."
            self._problems.error(item.key, "no-instance", f"{path}.instances", text)
        return (handler, tuple(instances.values())) if instances else None

    def _instance(self, item: ConfigObject, path: str, name: str, adapter: Adapter) -> Instance | None:
        key = resolve(self._instance_names, INSTANCE, name, item.key.namespace)
        if key is None:
            text = f"there is no instance {name!r} that works; it is left out."
            self._problems.error(item.key, "no-instance", path, text)
            return None
        found = self._instances[key]
        if found.spec.template.name not in adapter.templates:
            taken = ", ".join(sorted(adapter.templates))
            text = (
                f"the instance {name!r} is of template {found.spec.template.name}, "
                f"and the adapter {adapter.name} takes {taken}."
            )
            self._problems.error(item.key, "wrong-template", path, text)
            return None
        return found


def _outputs(action: str, handler: ObjectKey, instances: Iterable[Instance]) -> list[ActionOutput]:
    """What an action of this name gives to header operations; one without a name gives nothing."""
    found = [each.spec for each in instances if action and each.spec.template.variety is Variety.CHECK]
    return [
        ActionOutput(f"{action}.output.", handler, each.name, each.template.outputs)
        for each in found
        if each.template.outputs
    ]
