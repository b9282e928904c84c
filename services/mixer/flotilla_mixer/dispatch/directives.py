"""Operations on headers, of the rules that hold for a request that may pass (mixer.md 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flotilla_mixer.configuration.operations import Directive, HeaderTemplate
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.outputs import BagWithOutputs, Outputs
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.results import HeaderOperation, RouteDirective

Bag = Mapping[str, object]


def directive_of(directives: Iterable[Directive], bag: Bag, failures: Failures, outputs: Outputs) -> RouteDirective:
    """All operations, in the order of their rules' names. `outputs` are those of the Checks that were asked."""
    request: list[HeaderOperation] = []
    response: list[HeaderOperation] = []
    for directive in directives:
        if failures.match(directive.match, directive.match_text, bag):
            seen = BagWithOutputs(bag, directive.outputs, outputs) if directive.outputs else bag
            request += _operations(directive.request, seen)
            response += _operations(directive.response, seen)
    return RouteDirective(tuple(request), tuple(response))


def _operations(templates: Iterable[HeaderTemplate], bag: Bag) -> Iterator[HeaderOperation]:
    """An operation whose value is empty or cannot be made is left out, as in 1.4."""
    for each in templates:
        if each.value is None:
            yield HeaderOperation(each.operation, each.name)
            continue
        try:
            value = str(each.value(bag))
        except EvaluationError:
            continue
        if value:
            yield HeaderOperation(each.operation, each.name, value)
