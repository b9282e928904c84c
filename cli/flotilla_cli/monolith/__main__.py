"""`python -m flotilla_cli.monolith RUN_FOLDER`: what the supervisor starts in place of the four services."""

from __future__ import annotations

import sys
from pathlib import Path

from flotilla_cli.run_folder import RunFolder


def main() -> int:
    """Serve until SIGTERM; gives the exit code (2: the settings cannot be used)."""
    from flotilla_cli.monolith.services import read_settings, serve
    from flotilla_shared.runtime.lifecycle import run_service
    from flotilla_shared.runtime.logs import configure_logs
    from flotilla_shared.runtime.settings import SettingsError

    try:
        settings = read_settings(RunFolder(Path(sys.argv[1])))
    except SettingsError as error:
        print(f"monolith: {error}", file=sys.stderr)
        return 2
    configure_logs(settings.galley.log_level, settings.galley.log_format, "monolith")
    return run_service(lambda: serve(settings))


if __name__ == "__main__":
    sys.exit(main())
