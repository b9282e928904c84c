"""`flotilla run`."""

from __future__ import annotations

import signal
from argparse import Namespace
from contextlib import suppress

from flotilla_cli.commands import logs
from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import FlotillaError, StartError
from flotilla_cli.mesh import Mesh


def run(arguments: Namespace) -> None:
    """Lets it join; if it has not within the time, it leaves again and StartError says why."""
    workload, mesh = arguments.workload, Mesh.attach(run_dir(arguments))
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
        logs.show(mesh.client.folder, workload, follow=True, envoy=False, lines=10)
    except (KeyboardInterrupt, StartError) as end:
        with suppress(FlotillaError):
            mesh.stop(workload)
        if isinstance(end, StartError):
            raise
        print(f"\n{workload} has left the mesh.")
