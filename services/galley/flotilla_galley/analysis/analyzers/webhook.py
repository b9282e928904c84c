"""Injection webhooks that overlap, or whose service is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, text
from flotilla_galley.analysis.kinds import MUTATING_WEBHOOKS, SERVICES
from flotilla_galley.analysis.membership import INJECT, INJECTION_LABEL, REVISION_LABEL
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.webhooks import hooks_of, is_istios, revisions_of, takes

Hook = tuple[Resource, int, Mapping[str, Any]]
_NAMESPACES: tuple[dict[str, str], ...] = ({}, {INJECTION_LABEL: "enabled"}, {INJECTION_LABEL: "disabled"})
_PODS: tuple[dict[str, str], ...] = ({}, {INJECT: "true"}, {INJECT: "false"})


def look(configuration: Resource, view: View) -> Iterator[Message]:
    """The services that its webhooks name."""
    for index, hook in hooks_of(configuration) if _counts(configuration) else ():
        service = mapping(hook, "clientConfig", "service")
        namespace, name = text(service, "namespace"), text(service, "name")
        if name and view.get(SERVICES, namespace, name) is None:
            problem = f"its control plane {namespace}/{name} is not there"
            yield tell("InvalidWebhook", configuration, f"webhooks[{index}].clientConfig.service", problem=problem)


def overlapping(view: View) -> Iterator[Message]:
    """For all labels that namespaces and pods can have, at most one webhook may be called."""
    counted = [each for each in view.all(MUTATING_WEBHOOKS) if _counts(each)]
    hooks = [(each, index, hook) for each in counted for index, hook in hooks_of(each)]
    revisions = sorted({revision for each in counted for revision in revisions_of(each)})
    for namespace in _with_revisions(_NAMESPACES, revisions):
        for pod in _with_revisions(_PODS, revisions):
            called = [each for each in hooks if takes(each[2], namespace, pod)]
            for each in called if len(called) > 1 else ():
                yield _overlap(each, [other for other in called if other is not each])


def _overlap(hook: Hook, others: list[Hook]) -> Message:
    named = ", ".join(sorted(f"{each.name}/{text(other, 'name')}" for each, _, other in others))
    problem = f"it is called for the same pods as {named}, which then are injected twice"
    return tell("InvalidWebhook", hook[0], f"webhooks[{hook[1]}]", problem=problem)


def _counts(configuration: Resource) -> bool:
    return any(revisions_of(configuration)) or any(is_istios(hook) for _, hook in hooks_of(configuration))


def _with_revisions(bases: tuple[dict[str, str], ...], revisions: list[str]) -> Iterator[dict[str, str]]:
    yield from bases
    yield from ({**base, REVISION_LABEL: each} for each in revisions for base in bases)


ANALYZER = Analyzer(
    "webhook.Analyzer",
    "whether each pod is injected once, by a control plane that is there",
    (MUTATING_WEBHOOKS, SERVICES),
    {MUTATING_WEBHOOKS: look},
    overlapping,
)
