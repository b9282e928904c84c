"""Several runs at once: each has its own network and files, and what they end with becomes one exit code."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tests.e2e.__main__ import NO_TESTS, RUNS, result
from tests.e2e.apart import command, possible
from tests.e2e.parts import of_part

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
        ((0, NO_TESTS, 3), 3),
    ],
)
def test_what_all_end_with(codes: tuple[int, ...], expected: int) -> None:
    assert result(codes) == expected


@pytest.mark.parametrize("shape", ["services", "monolith"])
@pytest.mark.parametrize("count", [0, 1, 2, 10, 11])
def test_every_file_is_in_one_run_of_each_shape(shape: str, count: int) -> None:
    files = range(count)
    given = [file for name, part in RUNS if name == shape for file in of_part(files, part)]
    assert sorted(given) == list(files)


@pytest.mark.parametrize("part", ["0/2", "3/2", "", "1/", "a/2"])
def test_what_is_no_part_is_refused(part: str) -> None:
    with pytest.raises(ValueError):
        of_part([], part)
