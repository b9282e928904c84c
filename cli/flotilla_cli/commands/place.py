"""The mesh and the options that a command line means."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from flotilla_cli.client import SupervisorClient
from flotilla_cli.options import UpOptions
from flotilla_cli.run_folder import default_run_dir


def run_dir(arguments: Namespace) -> Path:
    chosen: Path = arguments.run_dir or default_run_dir(os.environ)
    return chosen.absolute()


def supervisor(arguments: Namespace) -> SupervisorClient:
    return SupervisorClient(run_dir(arguments))


def up_options(arguments: Namespace) -> UpOptions:
    return UpOptions(
        run_dir=run_dir(arguments),
        envoy=arguments.envoy.absolute() if arguments.envoy else None,
        certificate_seconds=arguments.certificate_ttl,
        delta=arguments.delta,
        log_level=arguments.log_level,
        monolith=arguments.monolith,
    )
