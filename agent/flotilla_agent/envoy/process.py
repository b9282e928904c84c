"""The Envoy of one workload as a process: started, watched, drained, stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from flotilla_shared.runtime.child import Child, Command, State

from flotilla_agent.envoy.admin import Admin
from flotilla_agent.errors import AdminUnavailable

DRAIN_POLL_SECONDS = 0.05
TERMINATE_SECONDS = 5.0


class EnvoyProcess:
    """Restarting is the owner's affair; `on_death` is called when it ends without having been asked to."""

    def __init__(
        self, name: str, program: Path, folder: Path, admin: Admin, on_death: Callable[[], None], concurrency: int = 1
    ) -> None:
        self._program = program
        self._folder = folder
        self._admin = admin
        self._on_death = on_death
        self._concurrency = concurrency
        self._child = Child(f"envoy of {name}", on_end=self._ended)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.state is State.RUNNING

    @property
    def reason(self) -> str:
        """Why it died, with its last log line; empty while it has not."""
        return self._child.reason()

    @property
    def log(self) -> Path:
        return self._folder / "envoy.log"

    def start(self, drain_seconds: float) -> None:
        """Main thread only. Raises OSError when the program cannot be run."""
        arguments = (
            str(self._program),
            "-c",
            str(self._folder / "bootstrap.json"),
            "--concurrency",
            str(self._concurrency),
            # Hot restart would bring shared memory and a machine-wide socket; configuration is dynamic anyway.
            "--disable-hot-restart",
            "--drain-time-s",
            str(max(1, round(drain_seconds))),
            "--log-level",
            "warning",
            "--file-flush-interval-msec",
            "200",
        )
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        self._child.start(Command(arguments, environment, self.log))

    def _ended(self, child: Child) -> None:
        if child.state is State.DIED:
            self._on_death()

    async def drain(self, seconds: float) -> None:
        """Ask callers to leave, and wait until they have or the time is over; a dead Envoy has nobody."""
        end = time.monotonic() + seconds
        try:
            await self._admin.post("/drain_listeners?graceful&inboundonly")
            while time.monotonic() < end and self.running and await self._admin.active_connections():  # noqa: ASYNC110
                await asyncio.sleep(DRAIN_POLL_SECONDS)
        except AdminUnavailable:
            return

    async def stop(self, *, kill: bool = False) -> None:
        """SIGTERM, then SIGKILL when it does not end."""
        await self._child.stop(kill=kill, patience_seconds=TERMINATE_SECONDS)
