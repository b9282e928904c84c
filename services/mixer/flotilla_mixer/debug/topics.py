"""What Mixer shows of its inside, as JSON under /debug/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.sources.swap import Swap
from flotilla_shared.runtime.trace import HopRecorder

Topic = Callable[..., object]


def debug_topics(swap: Swap, adapters: dict[str, Adapter], trace: HopRecorder) -> dict[str, Topic]:
    """All topics: config, workloads, adapters, trace."""
    return {
        "config": lambda: _config(swap),
        "workloads": lambda: _workloads(swap.table),
        "adapters": lambda: [_adapter(each) for each in adapters.values()],
        "trace": trace.topic,
    }


def _config(swap: Swap) -> dict[str, Any]:
    """Rules as they take effect, handlers with their instances, and what is wrong with which object."""
    table = swap.table
    if table is None:
        return {"version": "", "actions": [], "handlers": [], "instances": [], "problems": []}
    configuration = table.configuration
    return {
        "version": configuration.version,
        "actions": [
            {
                "rule": str(action.rule.full_name),
                "match": action.match_text or "always",
                "handler": action.handler.full_name,
                "instances": [instance.spec.name for instance in action.instances],
            }
            for action in configuration.actions
        ],
        "handlers": [
            {
                "name": built.config.display,
                "adapter": built.config.adapter.name,
                "instances": [spec.name for spec in built.config.instances],
            }
            for built in table.handlers
        ],
        "instances": [{"name": spec.name, "template": spec.template.name} for spec in configuration.instances],
        "problems": [
            {"collection": key.collection, "name": key.full_name, **problem.as_dict()}
            for key, found in swap.problems.items()
            for problem in found
        ],
    }


def _workloads(table: DispatchTable | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [
        {
            "name": each.name,
            "namespace": each.namespace,
            "address": ", ".join(each.addresses),
            "workload": each.facts.workload,
            "principal": each.principal,
            "labels": dict(each.labels),
        }
        for each in table.view.workloads()
    ]


def _adapter(adapter: Adapter) -> dict[str, Any]:
    return {"name": adapter.name, "templates": sorted(adapter.templates)}
