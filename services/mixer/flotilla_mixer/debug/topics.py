"""What Mixer shows of its inside, as JSON under /debug/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flotilla_mixer.configuration.names import full_name
from flotilla_mixer.debug.handlers import dispatch_rows, handler_states
from flotilla_mixer.debug.may_talk import may_talk_topic
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.sources.swap import Swap
from flotilla_shared.runtime.trace import HopRecorder

Topic = Callable[..., object]


def debug_topics(swap: Swap, adapters: dict[str, Adapter], trace: HopRecorder) -> dict[str, Topic]:
    """All topics: config, handlers, workloads, adapters, may-talk, trace."""
    return {
        "config": lambda: _config(swap),
        "handlers": lambda: handler_states(swap),
        "workloads": lambda: _workloads(swap.table),
        "adapters": lambda: [_adapter(swap, each) for each in adapters.values()],
        "may-talk": may_talk_topic(lambda: swap.table.view if swap.table is not None else None),
        "trace": trace.topic,
    }


def _config(swap: Swap) -> dict[str, Any]:
    """What is wrong with which object, rules as they take effect, the table that is made of them, and handlers."""
    table = swap.table
    if table is None:
        return {"version": "", "actions": [], "handlers": [], "instances": [], "dispatch": [], "problems": []}
    configuration = table.configuration
    return {
        "version": configuration.version,
        "problems": [
            {"collection": key.collection, "name": key.full_name, **problem.as_dict()}
            for key, found in swap.problems.items()
            for problem in found
        ],
        "actions": [
            {
                "rule": str(action.rule.full_name),
                "match": action.match_text or "always",
                "handler": full_name(action.handler),
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
        "templates": [full_name(key) for key in configuration.remote.templates],
        "adapters": [full_name(key) for key in configuration.remote.adapters],
        "dispatch": dispatch_rows(table),
        "instances": [{"name": spec.name, "template": spec.template.name} for spec in configuration.instances],
        "kept": [
            {"collection": key.collection, "name": key.full_name, "version": version}
            for key, version in configuration.kept.items()
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


def _adapter(swap: Swap, adapter: Adapter) -> dict[str, Any]:
    """`handlers` with their states are those that the configuration has of it."""
    states = handler_states(swap)
    return {
        "name": adapter.name,
        "templates": sorted(adapter.templates),
        "handlers": [
            {
                name: state[name]
                for name in ("name", "state", "waiting", "dropped", "errors", "problems")
                if name in state
            }
            for state in states
            if state["adapter"] == adapter.name
        ],
    }
