"""Which rules hold for a bag, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flotilla_mixer.configuration.operations import Directive
from flotilla_mixer.configuration.rules import Action
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.reasons import judged
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.expressions.languages import Language, language_of
from flotilla_mixer.templates.template import Variety
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey


def judged_rules(table: DispatchTable, namespace: str, bag: Mapping[str, object]) -> list[dict[str, Any]]:
    """Every rule of the default namespace and of this one, in the order of their names: `rule` (namespace/name),
    `match`, `holds`, `error`, `because`, `does` (check, quota, report, attribute generator, headers; nothing for one
    none of whose actions work), `actions`, `samples` (it reports a part only), and `problems`.

    Rules of other namespaces are not looked at.
    """
    configuration = table.configuration
    actions: dict[ObjectKey, list[Action]] = {}
    for each in configuration.actions:
        actions.setdefault(each.rule, []).append(each)
    headers = {each.rule for each in configuration.directives}
    found = []
    for key, item in sorted(configuration.objects.items()):
        if key.collection != kinds.RULES or key.namespace not in (table.default_namespace, namespace):
            continue
        match = getattr(item.spec, "match", "").strip()
        rule: dict[str, Any] = {"rule": key.full_name, "match": match or "always"}
        rule |= judged(match, bag, configuration.vocabulary, _language(item, actions.get(key, ())))
        does = {instance.spec.template.variety.value for each in actions.get(key, ()) for instance in each.instances}
        rule["does"] = sorted(does | ({"headers"} if key in headers else set()))
        if key in actions:
            rule["actions"] = [_action(table, each) for each in actions[key]]
        if any(each.sampler is not None for each in actions.get(key, ())):
            rule["samples"] = True
        problems = configuration.problems.get(key, ())
        if problems:
            rule["problems"] = [f"{each.field}: {each.text}" for each in problems]
        found.append(rule)
    return found


def _language(item: ConfigObject, actions: Sequence[Action]) -> Language:
    """What the rule's match is written in: what it says, or what its conditions were compiled as."""
    try:
        said = language_of(item.annotations, Language.CEXL)
    except ValueError:
        return Language.CEXL
    marks = (each.match_text.rpartition(" (")[2].rstrip(")") for each in actions)
    return next((Language(mark) for mark in marks if mark in set(Language)), said)


def _action(table: DispatchTable, action: Any) -> dict[str, Any]:
    built = table.by_key.get(action.handler)
    found = {"handler": action.handler.full_name, "instances": [each.spec.name for each in action.instances]}
    return found if built is not None else found | {"not_built": True}


CHECKED = frozenset((Variety.CHECK, Variety.QUOTA, Variety.ATTRIBUTE_GENERATOR))
REPORTED = frozenset((Variety.REPORT, Variety.ATTRIBUTE_GENERATOR))


def rules_that_hold(
    table: DispatchTable, namespace: str, bag: Mapping[str, object], varieties: frozenset[Variety]
) -> list[str]:
    """The names of those that have something of these varieties to do, or with Checks of headers."""
    does: list[Action | Directive] = [
        each
        for each in table.configuration.actions
        if any(one.spec.template.variety in varieties for one in each.instances)
    ]
    if varieties is CHECKED:
        does += table.configuration.directives
    return list(dict.fromkeys(_holding(does, {table.default_namespace, namespace}, bag)))


def _holding(does: Iterable[Action | Directive], namespaces: set[str], bag: Mapping[str, object]) -> Iterable[str]:
    conditions: dict[str, bool] = {}
    for each in does:
        if each.rule.namespace not in namespaces:
            continue
        if each.match_text not in conditions:
            try:
                conditions[each.match_text] = each.match is None or bool(each.match(bag))
            except EvaluationError:
                conditions[each.match_text] = False
        if conditions[each.match_text]:
            yield each.rule.full_name
