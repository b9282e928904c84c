"""`python -m flotilla_citadel`: serve, print-config, version."""

from __future__ import annotations

import sys

from flotilla_citadel.config import CitadelSettings
from flotilla_shared.runtime.command import service_command


async def run(settings: CitadelSettings) -> int:
    """Serve. gRPC and cryptography are imported here, so that the other commands start at once."""
    from flotilla_citadel.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code."""
    return service_command("citadel", CitadelSettings, run)


if __name__ == "__main__":
    sys.exit(main())
