"""The command line that every service has: serve, probe, print-config, version."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from flotilla_shared.runtime.probe import READY, SECONDS, probe, seconds_of
from flotilla_shared.runtime.settings import (
    ProcessSettings,
    SettingsError,
    describe,
    document,
    env_prefix,
    load_settings,
)

S = TypeVar("S", bound=ProcessSettings)
# `server` is what Istio 1.4 calls it.
COMMANDS = ("serve", "server", "probe", "print-config", "version")
UNWELL, BAD_SETTINGS = 1, 2


def service_command(
    service: str,
    settings_class: type[S],
    run: Callable[[S], Awaitable[int]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the command line and do it; gives the exit code (2: the settings cannot be used)."""
    given = _parser(service).parse_args(arguments)
    if given.command == "version":
        print(f"flotilla-{service} {version(f'flotilla-mesh-{service}')}")
        return 0
    try:
        settings = load_settings(settings_class, service, given.config)
    except SettingsError as error:
        print(f"{service}: {error}", file=sys.stderr)
        return BAD_SETTINGS
    if given.command == "print-config":
        _print_config(service, settings)
        return 0
    if given.command == "probe":
        return _probe(service, settings, given.probe_path, given.interval)
    return _serve(service, settings, run)


def _parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"flotilla-{service}", description=f"Flotilla's {service}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="serve")
    parser.add_argument("--config", type=Path, help=f"YAML file; variables {env_prefix(service)}<KEY> beat it")
    parser.add_argument("--probe-path", default=READY, metavar="PATH", help=f"of probe: {READY} (default) or /healthz")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=SECONDS,
        metavar="TIME",
        help="of probe: in which it must answer; default 2s",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _probe(service: str, settings: ProcessSettings, path: str, seconds: float) -> int:
    """0 the service that runs with these settings is well, 1 it is not, or there is none."""
    address, port = getattr(settings, "address", ""), getattr(settings, "monitoring_port", 0)
    said = probe(address, port, path, seconds) if port else "it has no monitoring port in its settings"
    if said:
        print(f"{service}: {said}", file=sys.stderr)
    return UNWELL if said else 0


def _print_config(service: str, settings: ProcessSettings) -> None:
    """Effective values as YAML, each under what it means."""
    import yaml

    values = describe(settings)
    for key, _, text in document(type(settings)):
        shown = yaml.safe_dump({key: values[key]}, sort_keys=False).rstrip()
        print(f"# {text} ({env_prefix(service)}{key.upper()})\n{shown}")


def _serve(service: str, settings: S, run: Callable[[S], Awaitable[int]]) -> int:
    from flotilla_shared.runtime.lifecycle import run_service
    from flotilla_shared.runtime.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format, service)
    try:
        return run_service(lambda: run(settings))
    except SettingsError as error:  # of two settings that do not go together, or of a file that one names
        print(f"{service}: {error}", file=sys.stderr)
        return BAD_SETTINGS
