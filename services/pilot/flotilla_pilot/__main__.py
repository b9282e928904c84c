"""`python -m flotilla_pilot`: serve, print-config, version."""

from __future__ import annotations

import sys

from flotilla_pilot.config import PilotSettings
from flotilla_shared.runtime.command import service_command


async def run(settings: PilotSettings) -> int:
    """Serve. gRPC and Envoy's messages are imported here, so that the other commands start at once."""
    from flotilla_pilot.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code."""
    return service_command("pilot", PilotSettings, run)


if __name__ == "__main__":
    sys.exit(main())
