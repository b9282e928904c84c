"""The run folder that a command means."""

from __future__ import annotations

import os
from pathlib import Path

from flotilla_cli.client import SupervisorClient
from flotilla_cli.run_folder import default_run_dir


def chosen_run_dir(run_dir: Path | None) -> Path:
    return (run_dir or default_run_dir(os.environ)).absolute()


def supervisor(run_dir: Path | None) -> SupervisorClient:
    return SupervisorClient(chosen_run_dir(run_dir))
