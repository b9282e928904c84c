"""Children: real small processes that start, die, resist, and end with their supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from flotilla_cli.supervision.fleet import Fleet
from flotilla_cli.supervision.logtail import last_line
from flotilla_shared.runtime.child import Child, Command, State

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, time
subprocess.Popen(["sleep", "60"])
print("here", flush=True)
time.sleep(60)
"""
TALKER = """
import os, sys
print(os.environ, flush=True)
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


def python(code: str, log: Path, **environment: str) -> Command:
    return Command((sys.executable, "-c", code), environment, log)


async def until_said(log: Path, word: str) -> None:
    while not log.exists() or word not in log.read_text():
        await asyncio.sleep(0.01)


def until_gone(process: psutil.Process) -> None:
    """Waits for its end; where pid 1 reaps no orphans it remains as a zombie."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    owned = Fleet(lambda child: None)
    yield owned
    owned.kill_all()
    await owned.stop(owned.running())


async def test_it_runs_with_its_environment_and_log(fleet, tmp_path):
    log = tmp_path / "log"
    child = fleet.start("a", python(TALKER, log, COLOR="red"))
    pid = child.pid
    assert (child.state, pid is not None) == (State.RUNNING, True)
    await child.ended()
    assert (child.state, child.exit_code, child.pid) == (State.DIED, 3, None)
    assert "COLOR" in log.read_text()
    assert "HOME" not in log.read_text()
    assert child.reason() == "ended with code 3: to stderr"
    assert log.stat().st_mode & 0o777 == 0o600


async def test_one_that_ends_by_itself_has_died_and_stays_so(tmp_path):
    dead = []
    fleet = Fleet(dead.append)
    child = fleet.start("a", python("print('last words'); import os; os.kill(os.getpid(), 9)", tmp_path / "log"))
    await child.ended()
    assert dead == [child]
    assert child.state is State.DIED
    assert child.reason().startswith("ended by SIGKILL")
    await child.stop()
    assert child.state is State.STOPPED


async def test_one_that_is_stopped_has_not_died(fleet, tmp_path):
    child = fleet.start("a", Command(("sleep", "60"), os.environ, tmp_path / "log"))
    await child.stop()
    assert (child.state, child.exit_code, child.reason()) == (State.STOPPED, -signal.SIGTERM, "")


async def test_it_can_be_started_again(fleet, tmp_path):
    command = Command(("sleep", "60"), os.environ, tmp_path / "log")
    child = fleet.start("a", command)
    with pytest.raises(RuntimeError, match="is running already"):
        fleet.start("a", command)
    first = child.pid
    await child.stop(kill=True)
    assert child.exit_code == -signal.SIGKILL
    fleet.start("a", command)
    assert child.state is State.RUNNING
    assert child.pid != first


async def test_one_that_resists_is_killed(fleet, tmp_path):
    log = tmp_path / "log"
    child = fleet.start("a", python(STUBBORN, log))
    await until_said(log, "here")
    await child.stop(patience_seconds=0.05)
    assert (child.state, child.exit_code) == (State.STOPPED, -signal.SIGKILL)


async def test_nothing_of_its_session_is_left(fleet, tmp_path):
    log = tmp_path / "log"
    child = fleet.start("a", python(PARENT, log, PATH=os.environ["PATH"]))
    await until_said(log, "here")
    (grandchild,) = psutil.Process(child.pid).children()
    assert os.getsid(grandchild.pid) == child.pid != os.getsid(0)
    await child.stop()
    until_gone(grandchild)


async def test_a_program_that_is_not_there(fleet, tmp_path):
    with pytest.raises(FileNotFoundError):
        fleet.start("a", Command(("no-such-program",), os.environ, tmp_path / "log"))
    assert fleet.child("a").state is State.STOPPED


async def test_children_are_not_started_from_other_threads(tmp_path):
    child = Child("a")
    errors = []

    def start() -> None:
        try:
            child.start(Command(("sleep", "60"), os.environ, tmp_path / "log"))
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "from the main thread" in errors[0]


async def test_a_fleet_stops_many_together(fleet, tmp_path):
    command = Command(("sleep", "60"), os.environ, tmp_path / "log")
    for name in ("a", "b", "c"):
        fleet.start(name, command)
    await fleet.stop(["a", "b"])
    assert fleet.running() == ["c"]


SUPERVISOR = """
import asyncio, os, pathlib
from flotilla_shared.runtime.child import Child, Command
async def main():
    child = Child("a")
    child.start(Command(("sleep", "60"), os.environ, pathlib.Path({log!r})))
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_children_end_with_a_supervisor_that_is_killed(tmp_path):
    code = SUPERVISOR.format(log=str(tmp_path / "log"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    until_gone(child)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ""),
        (b"one\ntwo\n\n  \n", "two"),
        (b"x" * 20000 + b"\nlast", "last"),
        (b"\xff\xfe broken\n", "\ufffd\ufffd broken"),
        (
            b'{"event": "cannot bind", "level": "error", "port": 9901, "timestamp": "t"}\n',
            "cannot bind port=9901",
        ),
        (b'{"no": "event"}\n', '{"no": "event"}'),
        (b"[1]\n", "[1]"),
    ],
)
def test_the_last_line_that_says_something(tmp_path, content, line):
    log = tmp_path / "log"
    log.write_bytes(content)
    assert last_line(log) == line


def test_no_log_no_line(tmp_path):
    assert last_line(tmp_path / "none") == ""
