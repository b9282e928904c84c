"""The agent, wired: the control socket, then the workloads."""

from __future__ import annotations

from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.lifecycle import Lifecycle

from flotilla_agent.config import AgentSettings
from flotilla_agent.fleet import Fleet
from flotilla_agent.status.control_app import control_app

SLACK_SECONDS = 15.0


async def serve(settings: AgentSettings) -> int:
    """Run the agent until it is told to stop; gives the process's exit code."""
    return await Agent(settings).lifecycle.run()


class Agent:
    """All parts of one agent; `lifecycle` starts and stops it."""

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.fleet = Fleet(settings)
        self.lifecycle = Lifecycle(stop_seconds=settings.drain_seconds + SLACK_SECONDS)
        if settings.control_socket is not None:
            control = HttpServer(control_app(self.fleet), uds=settings.control_socket)
            self.lifecycle.add(control, "control socket")
        self.lifecycle.add(self.fleet, "workloads")
