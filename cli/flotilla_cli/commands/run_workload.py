"""`flotilla run`."""

from __future__ import annotations

import signal
from argparse import Namespace
from contextlib import suppress

from flotilla_cli.commands import logs
from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import FlotillaError, StartError
from flotilla_cli.mesh import Mesh
from flotilla_cli.run_folder import RunFolder


def run(arguments: Namespace) -> None:
    """Lets it join; if it has not within the time, it leaves again and StartError says why."""
    workload, mesh = arguments.workload, Mesh.attach(run_dir(arguments))
    before = log_size(mesh.client.folder, workload)
    try:
        mesh.run(
            workload,
            seconds=arguments.timeout,
            on_reason=lambda reason: print(f"{workload} waits: {reason}", flush=True),
        )
        print(f"{workload} has joined the mesh.", flush=True)
        if arguments.detach:
            return
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        logs.show(mesh.client.folder, workload, follow=True, envoy=False, since=before)
    except (KeyboardInterrupt, StartError) as end:
        with suppress(FlotillaError):
            mesh.stop(workload)
        if isinstance(end, StartError):
            raise
        print(f"\n{workload} has left the mesh.")


def log_size(folder: RunFolder, workload: str) -> int:
    """Bytes of its log from earlier runs, which are not shown again."""
    log = folder.log(workload)
    return log.stat().st_size if log.is_file() else 0
