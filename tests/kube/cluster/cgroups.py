"""The cluster's own place in the machine's cgroups: kubelet's pods go below it, and `down` removes it.

Both versions of cgroups, and the mix of them, where each controller has a hierarchy of its own.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.kube.cluster.errors import ClusterError


def make(name: str) -> None:
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def remove(name: str, patience: float = 20) -> None:
    """Raises ClusterError if processes are still in there after that many seconds."""
    until = time.monotonic() + patience
    while left := [folder for folder in present(name) if not _removed(folder)]:
        if time.monotonic() > until:
            raise ClusterError(f"cgroup {left[0]} cannot be removed: look for its processes in cgroup.procs below it")
        time.sleep(0.05)


def present(name: str) -> list[Path]:
    return [folder for hierarchy in _hierarchies() if (folder := hierarchy / name).is_dir()]


def _removed(folder: Path) -> bool:
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            Path(path).rmdir()
    except OSError:
        return False
    return True


def _hierarchies() -> list[Path]:
    """Where cgroup file systems are mounted."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            found.append(Path(place))
    return found
