"""A network of one's own: `python -m tests.e2e.apart <arguments of python>` runs python there.

As root, or as anybody where the kernel lets users make namespaces. Ends with 1 where it does not.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def enter() -> None:
    """Put this process, which must have but one thread, into a network of its own with a loopback. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    try:
        _unshare(CLONE_NEWNET)
    except PermissionError:
        _unshare(CLONE_NEWUSER | CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _unshare(what: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(what) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def command(*arguments: str) -> list[str]:
    """What runs python with these arguments there."""
    return [sys.executable, "-m", __name__, *arguments]


def possible() -> bool:
    """Whether this machine gives us such a network."""
    return subprocess.run(command("-c", ""), stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    try:
        enter()
    except OSError as error:
        sys.exit(f"this machine gives no network of one's own: {error}")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
