"""A child process that is tied to this one's life, watched, and stopped.

Children live in sessions of their own, so the terminal's Ctrl-C reaches the parent alone, which stops them in order.
They get a signal when the parent ends, even when it is killed itself (`tied`). The tie is to the *thread* that started
them: `Child.start` belongs on the main thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flotilla_shared.runtime import tied

PATIENCE_SECONDS = 10.0
TAIL_BYTES = 8192
LINE_LENGTH = 300


class State(StrEnum):
    STOPPED = "stopped"
    RUNNING = "running"
    DIED = "died"


@dataclass(frozen=True)
class Command:
    """What to run. `log` receives stdout and stderr, appended through one descriptor; a number instead is a descriptor
    of the caller's that receives stderr alone, and stdout is then this process's own.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | int


class Child:
    """A process that may be started and stopped again and again, one at a time.

    `state` is DIED when it ended without having been asked to; it is never started again by itself. `parting` is the
    signal that it gets when this process ends; `say` gives the last words in a log, for people.
    """

    def __init__(
        self,
        name: str,
        *,
        on_end: Callable[[Child], None] = lambda child: None,
        parting: signal.Signals = signal.SIGKILL,
        say: Callable[[Path], str] | None = None,
    ) -> None:
        self.name = name
        self._parting = parting
        self._say = say or last_line
        self.state = State.STOPPED
        self.exit_code: int | None = None
        self._on_end = on_end
        self._command: Command | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, command: Command) -> None:
        """Starts it now. Main thread of a running loop only; raises OSError if the program cannot be run."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} is running already")
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread, or they would die with another one")
        self._command, self._asked, self.exit_code = command, False, None
        self._ended.clear()
        self._process = _spawn(command, self._parting)
        self.state = State.RUNNING
        descriptor = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(descriptor, self._reap, descriptor)

    async def stop(self, *, kill: bool = False, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Ends it by SIGTERM, after `patience_seconds` or with `kill` by SIGKILL. A stopped one stays stopped."""
        self._asked = True
        if self._process is None:
            self.state = State.STOPPED
            return
        self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            await asyncio.wait_for(self._ended.wait(), patience_seconds)
        except TimeoutError:
            self.kill()
            await self._ended.wait()

    def kill(self) -> None:
        """SIGKILL at once; its end is noticed as always."""
        self._asked = True
        if self._process is not None:
            self._process.kill()

    async def ended(self) -> None:
        """Returns when no process is running."""
        if self._process is not None:
            await self._ended.wait()

    def reason(self) -> str:
        """Why it died, for people: how it ended and its last log line; empty unless it died."""
        if self.state is not State.DIED or self._command is None:
            return ""
        line = self._say(self._command.log) if isinstance(self._command.log, Path) else ""
        return f"{ending(self.exit_code)}: {line}" if line else ending(self.exit_code)

    def _reap(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        process = self._process
        if process is None:
            return
        # What it left behind in its session ends too. It is not waited for yet, so its number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self.exit_code = process.wait()
        self._process = None
        self.state = State.STOPPED if self._asked else State.DIED
        self._ended.set()
        self._on_end(self)


def tied_command(arguments: Sequence[str], parting: signal.Signals) -> list[str]:
    """The arguments of a program that is tied to the thread that starts it."""
    return [sys.executable, "-I", "-S", str(tied.__file__), str(os.getpid()), str(int(parting)), *arguments]


def _spawn(command: Command, parting: signal.Signals) -> subprocess.Popen[bytes]:
    program = command.arguments[0]
    if shutil.which(program, path=command.environment.get("PATH")) is None:
        raise FileNotFoundError(errno.ENOENT, "there is no such program", program)
    if isinstance(command.log, int):
        return _popen(command, parting, None, command.log)
    log = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return _popen(command, parting, log, log)
    finally:
        os.close(log)


def _popen(command: Command, parting: signal.Signals, stdout: int | None, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # our own caller says what to run
        tied_command(command.arguments, parting),
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def ending(exit_code: int | None) -> str:
    """How a process ended, for people."""
    if exit_code is None:
        return "ended"
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"ended with code {exit_code}"


def last_line(log: Path) -> str:
    """The last line of a log that says something, shortened; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return found if len(found) <= LINE_LENGTH else found[: LINE_LENGTH - 1] + "…"
