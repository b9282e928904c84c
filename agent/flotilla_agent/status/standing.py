"""How far a workload is, and the steps that are tried until they succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from flotilla_agent.errors import WorkloadRefused
from flotilla_agent.status.state import State
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class Standing:
    """The state of the workload `name`; each change is logged. `backoff` is between attempts."""

    def __init__(self, name: str) -> None:
        self.state = State.WAITING
        self.reason = ""
        self.backoff = Backoff(first=0.2, cap=5.0)
        self._name = name

    def set(self, state: State, reason: str = "") -> None:
        if (state, reason) != (self.state, self.reason):
            log = _log.warning if state is State.FAILED else _log.info
            log("workload", name=self._name, state=str(state), reason=reason)
        self.state, self.reason = state, reason

    async def until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        """Try `step` until it succeeds; what keeps it from that is the state and reason meanwhile."""
        while True:
            try:
                return await step()
            except (WorkloadRefused, OSError, RuntimeError) as error:  # RuntimeError is gRPC's when it cannot bind
                self.set(State.FAILED, str(error))
            await asyncio.sleep(self.backoff.next())
