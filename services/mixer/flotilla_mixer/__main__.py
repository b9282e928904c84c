"""`python -m flotilla_mixer`: serve, print-config, version."""

from __future__ import annotations

import sys

from flotilla_mixer.config import MixerSettings
from flotilla_shared.runtime.command import service_command


async def run(settings: MixerSettings) -> int:
    """Serve. gRPC and Envoy's messages are imported here, so that the other commands start at once."""
    from flotilla_mixer.app import serve

    return await serve(settings)


def main() -> int:
    """The entry point; gives the exit code."""
    return service_command("mixer", MixerSettings, run)


if __name__ == "__main__":
    sys.exit(main())
