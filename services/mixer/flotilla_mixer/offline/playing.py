"""A Mixer of files: its configuration in a table, with handlers, for as long as one question takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from flotilla_mixer.configuration.build import COLLECTIONS, build_configuration
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.explain import explain_check, explain_report
from flotilla_mixer.explain.question import Question
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.sources.swap import Swap
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

Objects = Mapping[str, Mapping[ObjectKey, ConfigObject]]
Explanation = dict[str, Any]


def play_check(
    objects: Objects, question: Question, default_namespace: str
) -> tuple[Explanation, list[tuple[str, Problem]]]:
    """What a Mixer with these objects would answer a Check, and what is wrong with which of them. Not on a loop. Raises
    QuestionError.
    """
    return asyncio.run(_played(objects, question, default_namespace, explain_check))


def play_report(
    objects: Objects, question: Question, default_namespace: str
) -> tuple[Explanation, list[tuple[str, Problem]]]:
    """Likewise for a report."""
    return asyncio.run(_played(objects, question, default_namespace, explain_report))


async def _played(
    objects: Objects,
    question: Question,
    default_namespace: str,
    explain: Callable[[DispatchTable, Question], Awaitable[Explanation]],
) -> tuple[Explanation, list[tuple[str, Problem]]]:
    swap = Swap(default_namespace)
    collections = {name: objects.get(name, {}) for name in COLLECTIONS}
    table = swap.put(build_configuration(collections, load_adapters(), "cluster.local"))
    try:
        found = await explain(table, question)
    finally:
        await swap.stop()
    return found, [(key.full_name, problem) for key, each in swap.problems.items() for problem in each]
