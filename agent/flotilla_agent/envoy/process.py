"""The Envoy of one workload as a process: started, watched, drained, stopped."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from flotilla_agent.config import AgentSettings
from flotilla_agent.envoy.admin import Admin
from flotilla_agent.envoy.log import FileLog, RelayedLog
from flotilla_agent.errors import AdminUnavailable
from flotilla_shared.runtime.child import Child, Command, State, ending

DRAIN_POLL_SECONDS = 0.05
TERMINATE_SECONDS = 5.0
LOG_NAME = "envoy.log"
BOOTSTRAP_NAME = "bootstrap.json"
PASSED_ON = ("PATH", "HOME", "LANG", "TZ")


class EnvoyProcess:
    """One Envoy at a time, tied to this process's life. To start it again after its death is the owner's affair."""

    def __init__(
        self, name: str, settings: AgentSettings, folder: Path, admin: Admin, log: FileLog | RelayedLog | None = None
    ) -> None:
        self.bootstrap = folder / BOOTSTRAP_NAME
        self._settings = settings
        self._log = log or FileLog(folder / LOG_NAME)
        self._admin = admin
        self._child = Child(f"envoy of {name}")

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.state is State.RUNNING

    def start(self, bootstrap: Mapping[str, Any]) -> None:
        """With this bootstrap, on the main thread. Raises OSError when it cannot be written or the program not run."""
        content = orjson.dumps(bootstrap, option=orjson.OPT_INDENT_2)
        with open(self.bootstrap, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            self._child.start(Command(self._arguments(), environment, self._log.begin()))
        except OSError:
            self._log.close()
            raise
        self._log.started()

    def _arguments(self) -> tuple[str, ...]:
        options: dict[str, object] = {
            "-c": self.bootstrap,
            "--concurrency": self._settings.concurrency,
            # Callers are told to leave with the next answer, and calls that are under way have the whole time.
            "--drain-strategy": "immediate",
            "--drain-time-s": max(self._settings.listener_drain_seconds, math.ceil(self._settings.drain_seconds)),
            "--log-level": self._settings.envoy_log_level,
            "--file-flush-interval-msec": 200,
        }
        # Hot restart would bring shared memory and a machine-wide socket; configuration is dynamic anyway.
        if self._settings.envoy_component_log_level:
            options["--component-log-level"] = self._settings.envoy_component_log_level
        named = (str(word) for pair in options.items() for word in pair)
        # Every route has one deprecated field: a line for each at every change would say nothing.
        return (str(self._settings.envoy), *named, "--disable-hot-restart", "--skip-deprecated-logs")

    async def ended(self, timeout: float) -> bool:
        """Wait for its end, at most so many seconds; whether it has ended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._child.ended(), timeout)
        return not self.running

    def reason(self) -> str:
        """How it ended, and what it said about that; who is ended from outside says nothing."""
        outside = self._child.exit_code in (-signal.SIGKILL, -signal.SIGTERM)
        said = "" if outside else self._log.last_complaint()
        return f"Envoy {ending(self._child.exit_code)}" + (f": {said}" if said else "")

    async def drain(self, *, inbound_only: bool) -> None:
        """Ask callers to leave, and wait until they have or `drain_seconds` are over, but `drain_least_seconds` in any
        case; a dead Envoy has no callers.
        """
        began = time.monotonic()
        if not self.running or not self._settings.drain_seconds:
            return
        with suppress(AdminUnavailable):
            await self._admin.drain(inbound_only=inbound_only)
            while self._drains(time.monotonic() - began) or await self._has_callers(time.monotonic() - began):
                if await self.ended(DRAIN_POLL_SECONDS):
                    return

    def _drains(self, seconds: float) -> bool:
        return seconds < self._settings.drain_least_seconds

    async def _has_callers(self, seconds: float) -> bool:
        return seconds < self._settings.drain_seconds and await self._admin.active_connections() > 0

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL when it does not end."""
        await self._child.stop(patience_seconds=TERMINATE_SECONDS)
        self._log.close()
