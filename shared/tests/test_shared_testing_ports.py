"""A port for a test's server is its own: not another worker's, not a caller's, not one that is listened on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from flotilla_shared.testing.ports import FIRST, SHARE, SHARES, free_port

ASKING = "from flotilla_shared.testing.ports import free_port; print(*[free_port() for _ in range(300)])"


def asked_by(worker: str) -> list[int]:
    """What a process of that worker is given."""
    environment = {**os.environ, "PYTEST_XDIST_WORKER": worker}
    done = subprocess.run([sys.executable, "-c", ASKING], env=environment, capture_output=True, check=True, text=True)
    return [int(port) for port in done.stdout.split()]


def test_none_is_given_twice_and_none_is_a_callers() -> None:
    ports = [free_port() for _ in range(300)]
    assert len(set(ports)) == len(ports)
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        callers = int(file.read().split()[0])
    assert min(ports) >= FIRST
    assert max(ports) < FIRST + SHARE * SHARES < callers


def test_workers_of_a_run_are_given_different_ones() -> None:
    assert not set(asked_by("gw0")) & set(asked_by("gw1"))


def test_one_that_is_listened_on_is_passed_over() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", first + 1)):
        given = free_port()
    assert given not in (first, first + 1)


def test_what_was_given_can_be_listened_on_again_and_again() -> None:
    port = free_port()
    for _ in range(3):
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
