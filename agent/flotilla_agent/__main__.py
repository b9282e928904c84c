"""`flotilla-agent`: serve (many workloads), proxy (the one of a pod), interception, wait, request, print-config, version."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flotilla_agent.config import AgentSettings

IN_A_POD = ("proxy", "wait", "request")


async def run(settings: AgentSettings) -> int:
    """Serve. gRPC and Envoy's messages are imported here, so that the other commands start at once."""
    from flotilla_agent.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code. Each command imports what it needs: a pod's hooks are in a hurry."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["interception"]:
        from flotilla_agent.interception.command import interception_command

        return interception_command(arguments[1:], os.environ)
    if arguments and arguments[0] in IN_A_POD:
        from flotilla_agent.pod.command import pod_command

        return pod_command(arguments, os.environ)
    from flotilla_agent.config import AgentSettings
    from flotilla_shared.runtime.command import service_command

    return service_command("agent", AgentSettings, run)


if __name__ == "__main__":
    sys.exit(main())
