"""Where a workload's secrets are served, and whether the kernel takes a path that long."""

from __future__ import annotations

from pathlib import Path

# `sun_path` has 108 bytes, the last one is zero.
SOCKET_PATH_BYTES = 107


def sds_socket(run_dir: Path, folder: str) -> Path:
    return run_dir / folder / "sds.sock"


def check_socket_path(path: Path) -> None:
    """Raises ValueError for a path that no Unix socket can have: Envoy would refuse it only much later."""
    length = len(str(path).encode())
    if length > SOCKET_PATH_BYTES:
        raise ValueError(
            f"the path of the Unix socket {path} has {length} bytes and the kernel takes {SOCKET_PATH_BYTES}: "
            "choose a shorter run_dir"
        )
