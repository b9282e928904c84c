"""Ports for servers of tests that cannot listen on port 0 and say what they got."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

# Below the ports that a kernel gives to whoever connects (32768 and above on Linux): a port of those can be a caller's
# own a moment after it was found free. Each worker of a run has a share of its own, so that no two find the same one.
FIRST, SHARE, SHARES = 20000, 1200, 8


def _share() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + worker % SHARES * SHARE
    begun = os.getpid() * 37 % SHARE  # two runs on one machine begin in different places
    return itertools.cycle([*range(first + begun, first + SHARE), *range(first, first + begun)])


_ports = _share()


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on and that no other test of this run is given, until 1200 more were asked for.

    Prefer port 0 where the server can say what it got. OSError when all ports of this worker's share are taken.
    """
    for _ in range(SHARE):
        port = next(_ports)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what servers set: TIME_WAIT is no obstacle
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {address} is free of those that this worker may give")
