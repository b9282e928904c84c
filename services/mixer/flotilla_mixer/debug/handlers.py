"""The state of every handler that is configured: built or not, what waits, what was sent, dropped, and went wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.sources.swap import Swap


def handler_states(swap: Swap) -> list[dict[str, Any]]:
    """By name. `problems` are sentences; numbers count since Mixer began, for a handler of this name."""
    table = swap.table
    return [_state(swap, table, key) for key in sorted(table.configuration.handlers)] if table is not None else []


def _state(swap: Swap, table: DispatchTable, key: Any) -> dict[str, Any]:
    config, built = table.configuration.handlers[key], table.by_key.get(key)
    found: dict[str, Any] = {
        "name": config.display,
        "adapter": config.adapter.name,
        "state": "built" if built is not None else "not built",
        "instances": [spec.name for spec in config.instances],
        "problems": [f"{each.field}: {each.text}" for each in swap.problems.get(key, ())],
    }
    if built is not None:
        counters = built.counters
        calls, failed = counters.dispatches.calls_of(config.display)
        found |= {
            "calls": calls,
            "failed calls": failed,
            "waiting": sum(_values(counters.waiting, config.name).values()),
            "sent": sum(_values(counters.sent, config.name).values()),
            "dropped": _values(counters.dropped, config.name),
            "retries": _values(counters.retries, config.name),
            "errors": _values(counters.errors, config.name),
            "under way": sum(_values(counters.workers, config.name).values()),
            "tasks": sum(_values(counters.daemons, config.name).values()),
        }
    return found


def _values(metric: MetricWrapperBase, handler: str) -> dict[str, int]:
    """The numbers of a handler, by cause."""
    found: Counter[str] = Counter()
    for family in metric.collect():
        for sample in family.samples:
            if sample.labels.get("handler") == handler and not sample.name.endswith("_created"):
                found[sample.labels.get("cause", "")] += int(sample.value)
    return {cause: number for cause, number in found.items() if number}


def dispatch_rows(table: DispatchTable) -> list[dict[str, Any]]:
    """The compiled table: for whom, for what, when, to which handler go which instances. The rules of the default
    namespace are in every namespace's rows.
    """
    return [row for name, rules in table.namespaces().items() for row in _rows(name or "(any other)", rules)]


def _rows(namespace: str, rules: Any) -> list[dict[str, Any]]:
    groups = [
        *(("attribute generator", each) for each in rules.generate),
        *(("check", each) for each in rules.check),
        *((f"quota {name}", each) for name, found in sorted(rules.quotas.items()) for each in found),
        *(("report", each) for each in rules.report),
    ]
    rows = [
        {
            "namespace": namespace,
            "for": variety,
            "match": group.match_text or "always",
            "handler": target.handler.config.display,
            "instances": [each.spec.name for each in target.instances],
        }
        for variety, group in groups
        for target in group.targets
    ]
    return rows + [
        {
            "namespace": namespace,
            "for": "headers",
            "match": each.match_text or "always",
            "handler": "",
            "instances": [f"{one.operation} {one.name}" for one in (*each.request, *each.response)],
        }
        for each in rules.directives
    ]
