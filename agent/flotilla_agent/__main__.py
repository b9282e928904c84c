"""`python -m flotilla_agent`: serve, print-config, version."""

from __future__ import annotations

import sys

from flotilla_agent.config import AgentSettings
from flotilla_shared.runtime.command import service_command


async def run(settings: AgentSettings) -> int:
    """Serve. gRPC and Envoy's messages are imported here, so that the other commands start at once."""
    from flotilla_agent.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code."""
    return service_command("agent", AgentSettings, run)


if __name__ == "__main__":
    sys.exit(main())
