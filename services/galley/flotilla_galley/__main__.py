"""`python -m flotilla_galley`: serve, probe, print-config, version."""

from __future__ import annotations

import sys

from flotilla_galley.config import GalleySettings
from flotilla_shared.runtime.command import service_command


async def run(settings: GalleySettings) -> int:
    """Serve. gRPC is imported here, so that the other commands start at once."""
    from flotilla_galley.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code."""
    return service_command("galley", GalleySettings, run)


if __name__ == "__main__":
    sys.exit(main())
