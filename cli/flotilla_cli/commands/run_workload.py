"""`flotilla run`."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from flotilla_cli.commands import logs
from flotilla_cli.commands.place import chosen_run_dir
from flotilla_cli.errors import FlotillaError, StartError
from flotilla_cli.mesh import Mesh


def run(run_dir: Path | None, workload: str, *, detach: bool, seconds: float) -> None:
    """Lets it join; if it has not within `seconds`, it leaves again and StartError says why."""
    mesh = Mesh.attach(chosen_run_dir(run_dir))
    try:
        mesh.run(
            workload,
            seconds=seconds,
            on_reason=lambda reason: print(f"{workload} waits: {reason}", flush=True),
        )
        print(f"{workload} has joined the mesh.", flush=True)
        if detach:
            return
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        logs.run(run_dir, workload, follow=True, envoy=False, lines=10)
    except (KeyboardInterrupt, StartError) as end:
        with suppress(FlotillaError):
            mesh.stop(workload)
        if isinstance(end, StartError):
            raise
        print(f"\n{workload} has left the mesh.")
