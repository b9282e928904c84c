"""The example mesh, started for a measurement, and the same applications without any mesh."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions

# Beside the mesh's own 127.0.1.N, so that both can run at once.
APPLICATIONS = {
    "details": ("127.0.5.2", {}),
    "ratings": ("127.0.5.6", {}),
    "reviews": ("127.0.5.3", {"VERSION": "v3", "RATINGS_HOSTNAME": "127.0.5.6"}),
    "productpage": ("127.0.5.1", {"DETAILS_HOSTNAME": "127.0.5.2", "REVIEWS_HOSTNAME": "127.0.5.3"}),
}
PORT = 9080


@contextmanager
def running(folder: Path, *, monolith: bool = False) -> Iterator[Mesh]:
    """The example, up; its directory and run folder are below `folder`."""
    folder.mkdir()
    directory = copy_mesh(example_directory(), folder / "local")
    with Mesh.up(directory, UpOptions(run_dir=folder / "r", log_level="warning", monolith=monolith)) as mesh:
        yield mesh


@contextmanager
def applications_alone() -> Iterator[dict[str, int]]:
    """The four applications calling each other directly; name -> pid, once all answer."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "flotilla_bookinfo", name, "--address", address, "--port", str(PORT)],
            env=clean | environment,
            stdout=subprocess.DEVNULL,
        )
        for name, (address, environment) in APPLICATIONS.items()
    }
    try:
        for address, _ in APPLICATIONS.values():
            _until_healthy(f"http://{address}:{PORT}/health")
        yield {name: process.pid for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()


def _until_healthy(url: str, seconds: float = 30.0) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    while True:
        try:
            with opener.open(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
