"""Readiness: Kubernetes has been read."""

import asyncio

from flotilla_pilot.registries.kubernetes import KubernetesRegistry
from flotilla_shared.runtime.conditions import ConditionKeeper
from flotilla_shared.runtime.readiness import Condition


def registry_condition(condition: Condition, registry: KubernetesRegistry) -> ConditionKeeper:
    """Met when every watch has begun with a whole list; until then it says which has not, and why."""

    def reason() -> str:
        return f"Kubernetes is not read yet: {'; '.join(registry.missing) or 'at once'}"

    return ConditionKeeper(condition, lambda: asyncio.ensure_future(registry.wait_synced()), reason)
