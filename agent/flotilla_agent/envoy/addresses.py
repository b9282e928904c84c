"""Who listens on an address: an address in use is told with its holder."""

from __future__ import annotations

import os
import socket
from contextlib import closing, suppress
from pathlib import Path


def is_free(address: str, port: int) -> bool:
    """Whether the address can be bound by itself: SO_REUSEPORT, with which two Envoys share a port, is not set."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def holder_of(address: str, port: int) -> str:
    """`pid 12 (envoy)` of who listens there, as far as this user may see it; else "another process"."""
    inodes = _listening_inodes(address, port)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and inodes & _socket_inodes(entry):
            with suppress(OSError):
                return f"pid {entry} ({Path('/proc', entry, 'comm').read_text().strip()})"
    return "another process, which this user may not see" if inodes else "another process"


def _listening_inodes(address: str, port: int) -> set[str]:
    raw = socket.inet_aton(address)[::-1].hex().upper()
    wanted = {f"{raw}:{port:04X}", f"00000000:{port:04X}"}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] in wanted and fields[3] == "0A":
            found.add(fields[9])
    return found


def _socket_inodes(pid: str) -> set[str]:
    found = set()
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
