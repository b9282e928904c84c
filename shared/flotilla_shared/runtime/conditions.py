"""Conditions of readiness that several services have: a certificate, and the first configuration."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from flotilla_shared.runtime.identity import WorkloadIdentity
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.readiness import Condition

LOOK_SECONDS = 0.2


class ConditionKeeper:
    """Component. Keeps a condition unmet, with the newest reason, until `done` returns; then met for good.

    Once met it stays: a service whose Galley or Citadel is away goes on with what it has.
    """

    def __init__(
        self, condition: Condition, done: Callable[[], asyncio.Future[object]], reason: Callable[[], str]
    ) -> None:
        self._condition = condition
        self._done = done
        self._reason = reason
        self._tasks = Tasks(f"condition:{condition.name}")

    async def start(self) -> None:
        self._condition.unmet(self._reason())
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _keep(self) -> None:
        done = self._done()
        try:
            while not done.done():
                self._condition.unmet(self._reason())
                await asyncio.wait({done}, timeout=LOOK_SECONDS)
        finally:
            done.cancel()
        self._condition.met()


def certificate_condition(condition: Condition, identity: WorkloadIdentity) -> ConditionKeeper:
    """Met when there is a certificate."""

    def reason() -> str:
        return f"no certificate yet: {identity.last_error or 'waiting for Citadel'}"

    return ConditionKeeper(condition, lambda: asyncio.ensure_future(identity.wait()), reason)


def configuration_condition(
    condition: Condition,
    published: asyncio.Event,
    missing: Callable[[], tuple[str, ...]],
    last_error: Callable[[], str],
) -> ConditionKeeper:
    """Met when the first snapshot is published, which needs every collection."""

    def reason() -> str:
        names = missing()
        if not names:
            return "building the first snapshot"
        error = last_error()
        return f"Galley has not sent {', '.join(names)}" + (f" ({error})" if error else "")

    return ConditionKeeper(condition, lambda: asyncio.ensure_future(published.wait()), reason)


class Watch(Protocol):
    """What is read from the API server; a Reflector is one."""

    @property
    def state(self) -> str: ...

    async def wait_synced(self) -> None: ...


def watch_condition(condition: Condition, watch: Watch) -> ConditionKeeper:
    """Met when the first whole list has been read."""
    return ConditionKeeper(condition, lambda: asyncio.ensure_future(watch.wait_synced()), lambda: watch.state)
