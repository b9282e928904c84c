"""A workload as those see it who show it or begin and end it: with an Envoy or without."""

from __future__ import annotations

from typing import Any, Protocol

from flotilla_agent.config import WorkloadConfig
from flotilla_agent.status.state import State
from flotilla_shared.runtime.identity import WorkloadIdentity


class LivingWorkload(Protocol):
    """`Workload` and `ProxylessWorkload` are these."""

    config: WorkloadConfig
    identity: WorkloadIdentity

    @property
    def state(self) -> State: ...

    @property
    def reason(self) -> str:
        """Why it is not ready or will not be so for ever, for people; empty if all is well."""
        ...

    def refuse_if_taken(self) -> None:
        """Raises WorkloadRefused if an address that it needs is held by another."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def drain(self) -> None:
        """Ask callers to leave, now. Raises AdminUnavailable."""
        ...

    async def view(self) -> dict[str, Any]:
        """What only its kind has, for the control API."""
        ...

    async def metrics(self) -> str:
        """What its proxy measures, in Prometheus' text format; empty where nobody answers."""
        ...
