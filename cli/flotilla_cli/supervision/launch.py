"""`flotilla up` itself: look before starting, start, wait for the end, stop in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from flotilla_cli.checks.addresses import check_addresses
from flotilla_cli.checks.envoy import find_envoy
from flotilla_cli.client import SupervisorClient
from flotilla_cli.errors import CheckError, FlotillaError
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import Plan, read_plan
from flotilla_cli.run_folder import RunFolder, check_length, default_run_dir, prepare
from flotilla_cli.settings_files import SettingsFiles
from flotilla_cli.supervision.commands import Commands
from flotilla_cli.supervision.supervisor import Supervisor

Say = Callable[[str], None]


def check(directory: Path, options: UpOptions, environment: Mapping[str, str]) -> tuple[Plan, Path, RunFolder]:
    """Everything that can be known to go wrong, before anything is started: PlanError or CheckError.

    Gives the plan, Envoy's path, and the run folder, empty.
    """
    plan = read_plan(directory)
    envoy = find_envoy(options.envoy, environment)
    run_dir = (options.run_dir or default_run_dir(environment)).absolute()
    check_length(run_dir, plan.workloads)
    _check_alone(run_dir)
    check_addresses(plan.listeners)
    return plan, envoy, prepare(run_dir)


def _check_alone(run_dir: Path) -> None:
    state = SupervisorClient(run_dir).state()
    if state is not None:
        raise CheckError(
            f"A mesh is already up in {run_dir}: pid {state['pid']}, from {state['directory']}.",
            "`flotilla down` stops it.",
        )


async def run(
    directory: Path,
    options: UpOptions,
    say: Say,
    *,
    on_up: Callable[[Supervisor], None] = lambda supervisor: None,
) -> int:
    """Brings the mesh up and stays until SIGINT, SIGTERM, SIGHUP or `flotilla down`; a second signal kills.

    Returns 0 after an orderly end. Raises what `check` raises, and StartError after everything has been
    stopped.
    """
    from flotilla_cli.supervision.control import control_app
    from flotilla_shared.runtime.http import HttpServer

    plan, envoy, folder = check(directory, options, os.environ)
    settings = SettingsFiles(plan, folder, options, envoy)
    supervisor = Supervisor(plan, folder, settings, Commands(folder, os.environ), say, monolith=options.monolith)
    ending = asyncio.Event()
    _obey_signals(supervisor, ending, say)
    server = HttpServer(control_app(supervisor, ending.set), uds=folder.control_socket)
    await server.start()
    try:
        await _unless(ending, supervisor.up())
        if not ending.is_set():
            on_up(supervisor)
            await ending.wait()
    finally:
        await supervisor.down()
        await server.stop()
    return 0


async def _unless(ending: asyncio.Event, work: object) -> None:
    """Runs the work to its end, or until the event is set."""
    working = asyncio.ensure_future(work)  # type: ignore[call-overload]
    waiting = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, waiting):
            task.cancel()
            with suppress(asyncio.CancelledError, FlotillaError):
                await task


def _obey_signals(supervisor: Supervisor, ending: asyncio.Event, say: Say) -> None:
    """Explicitly, also for SIGINT: a process that a script started in the background inherits it ignored."""

    def obey() -> None:
        if ending.is_set():
            say("killing everything")
            supervisor.kill_all()
            sys.stdout.flush()
            os._exit(1)
        say("stopping; once more to kill")
        ending.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, obey)
