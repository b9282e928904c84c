"""Running analyzers: what one of them does wrong is told, and harms no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.analysis.suppression import Suppression, suppressed


@dataclass(frozen=True, slots=True)
class Analysis:
    """`messages`: the worst first, no two alike. `failures`: how often an analyzer raised; each is among the messages.

    `skipped` names the analyzers that were not run because the cluster serves none of what they read.
    """

    messages: tuple[Message, ...]
    failures: int = 0
    skipped: tuple[str, ...] = ()


def analyze(
    resources: ResourceSet,
    analyzers: Iterable[Analyzer],
    suppressions: Iterable[Suppression] = (),
    *,
    skip_missing: bool = False,
) -> Analysis:
    """All that the analyzers have to say. Never raises.

    `skip_missing`: as 1.4 does, an analyzer is left out if the cluster lacks one of its collections; else it is
    left out if it lacks all of them.
    """
    running = _Run(resources)
    skipped = []
    for analyzer in analyzers:
        lacking = [each for each in analyzer.reads if each in resources.missing]
        if lacking and (skip_missing or len(lacking) == len(analyzer.reads)):
            skipped.append(analyzer.name)
        else:
            running.run(analyzer)
    silenced = tuple(suppressions)
    told = [each for each in running.messages if not suppressed(each, silenced)]
    distinct = {each.order(): each for each in told}
    return Analysis(tuple(distinct[order] for order in sorted(distinct)), running.failures, tuple(skipped))


class _Run:
    def __init__(self, resources: ResourceSet) -> None:
        self.messages: list[Message] = []
        self.failures = 0
        self._resources = resources
        self._made: dict[Any, Any] = {}

    def run(self, analyzer: Analyzer) -> None:
        view = View(self._resources, analyzer.reads, self._made)
        for collection, look in analyzer.each.items():
            for resource in view.all(collection):
                self._contain(analyzer, resource, look, resource, view)
        if analyzer.whole is not None:
            self._contain(analyzer, None, analyzer.whole, view)

    def _contain(
        self, analyzer: Analyzer, resource: Resource | None, ask: Callable[..., Iterable[Message]], *given: Any
    ) -> None:
        """What was told before it raised is kept."""
        try:
            self.messages.extend(ask(*given))
        except Exception as error:  # noqa: BLE001  # an analyzer's mistake must not take the others' messages away
            self.failures += 1
            detail = f"{type(error).__name__}: {error}"
            self.messages.append(tell("InternalError", resource, analyzer=analyzer.name, detail=detail))
