"""Both shapes at once: each has its own network, and what they end with becomes one exit code."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tests.e2e.__main__ import NO_TESTS, result
from tests.e2e.apart import command, possible

# Whether anybody answers at the port, then whether one may listen there and be called.
INSIDE = """\
import socket, sys
place = ("127.0.0.1", int(sys.argv[1]))
with socket.socket() as caller:
    print(caller.connect_ex(place) == 0)
with socket.create_server(place), socket.create_connection(place):
    print(True)
"""


def test_a_network_of_ones_own_has_a_loopback_and_nobody_elses_ports() -> None:
    if not possible():
        pytest.skip("this machine lets us make no network namespace: run the tests as root")
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = str(ours.getsockname()[1])
        seen = subprocess.run(command("-c", INSIDE, port), check=True, capture_output=True, text=True).stdout.split()
    assert seen == ["False", "True"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0), 0),
        ((0, NO_TESTS), 0),
        ((NO_TESTS, 0), 0),
        ((NO_TESTS, NO_TESTS), 5),
        ((0, 1), 1),
        ((2, 1), 2),
        ((1, 5), 1),
    ],
)
def test_what_both_end_with(codes: tuple[int, int], expected: int) -> None:
    assert result(codes) == expected
