"""What Mixer has to say of its objects, among what Galley's analyzers say: a service may not import another, the command may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.catalogue import Level, MessageType
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.registry import BY_RULE_SET, RuleSet, chosen
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import (
    HTTP_API_SPEC_BINDINGS,
    HTTP_API_SPECS,
    QUOTA_SPEC_BINDINGS,
    QUOTA_SPECS,
    WRITTEN,
)
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

NAME = "mixer.Configuration"
READS = (
    *(kind.collection for kind in WRITTEN if kind.is_of_mixer),
    QUOTA_SPECS,
    QUOTA_SPEC_BINDINGS,
    HTTP_API_SPECS,
    HTTP_API_SPEC_BINDINGS,
)
LEVELS = {"error": Level.ERROR, "warning": Level.WARNING}


def _look(view: View) -> Iterable[Message]:
    resources = {
        ObjectKey(each.key.collection, each.namespace, each.name): each
        for collection in READS
        for each in view.all(collection)
    }
    if not resources:
        return
    from flotilla_mixer.offline.problems import problems_of

    for key, problems in problems_of(_object(key, each) for key, each in resources.items()).items():
        for problem in problems:
            yield _message(problem, resources[key])


def _object(key: ObjectKey, resource: Resource) -> ConfigObject:
    return ConfigObject(key, "", resource.spec, resource.labels, resource.annotations)


def _message(problem: Problem, resource: Resource) -> Message:
    """A problem keeps its code, whose page stands in docs/errors."""
    kind = MessageType(problem.code, problem.code, LEVELS[problem.severity], "{text}")
    return Message(kind, resource, problem.field, (("text", problem.text),))


ANALYZER = Analyzer(
    NAME, "Rules, handlers and instances as Mixer reads them: references, expressions, parameters", READS, whole=_look
)


def analyzers_of(rule_set: RuleSet, names: Sequence[str] = ()) -> tuple[Analyzer, ...]:
    """Galley's analyzers and Mixer's: those of a rule set, or those that are named. Raises ValueError for a name that there is
    not.
    """
    others = [name for name in names if name != NAME]
    found = chosen(rule_set, others) if others or not names else ()
    return (*found, ANALYZER) if not names or NAME in names else found


def known_analyzers(rule_set: RuleSet) -> tuple[Analyzer, ...]:
    """All that may be named, by name."""
    return tuple(sorted((*BY_RULE_SET[rule_set], ANALYZER), key=lambda each: each.name))
