"""The agent, wired: the control socket, then the workloads."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from flotilla_agent.config import AgentSettings
from flotilla_agent.errors import AgentRefused
from flotilla_agent.fleet import Fleet
from flotilla_agent.status.control_app import control_app
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.lifecycle import Lifecycle

# Two rounds of drains (gateways, then sidecars), and what it takes to end the processes.
DRAIN_ROUNDS = 2
SLACK_SECONDS = 15.0


async def serve(settings: AgentSettings) -> int:
    """Run the agent until it is told to stop; gives the process's exit code."""
    return await Agent(settings).lifecycle.run()


class ControlServer:
    """Component: the control API on its Unix socket, which a second agent does not take from the first."""

    def __init__(self, path: Path, fleet: Fleet) -> None:
        self._path = path
        self._server = HttpServer(control_app(fleet), uds=path)
        self._ours = False

    async def start(self) -> None:
        """Raises AgentRefused if another agent answers, OSError if the socket cannot be made."""
        if await asyncio.to_thread(_answers, self._path):
            raise AgentRefused(f"another agent answers on {self._path}: stop it, or choose another control_socket")
        self._ours = True
        await self._server.start()

    async def stop(self) -> None:
        if self._ours:  # stopping removes the socket, which must not be another's
            await self._server.stop()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


class Agent:
    """All parts of one agent; `lifecycle` starts and stops it."""

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.fleet = Fleet(settings)
        self.lifecycle = Lifecycle(stop_seconds=DRAIN_ROUNDS * settings.drain_seconds + SLACK_SECONDS)
        if settings.control_socket is not None:
            self.lifecycle.add(ControlServer(settings.control_socket, self.fleet), "control socket")
        self.lifecycle.add(self.fleet, "workloads")
