"""A Redis of a test's own: the program of Debian's package, on loopback, with nothing kept on disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from flotilla_shared.runtime.child import tied_command
from flotilla_shared.testing.ports import free_port

PROGRAM = "redis-server"
MISSING = "there is no redis-server: `apt-get install redis-server`"
READY = "Ready to accept connections"
TLS = "--tls-cert-file"


class RedisServer:
    """One process at a time on one port. `kill` and `start` as often as a test likes. It ends with the calling thread.

    `login` is what its clients must say.
    """

    program = PROGRAM
    ready = READY

    def __init__(
        self, folder: Path, options: Sequence[str] = (), port: int | None = None, login: Mapping[str, Any] | None = None
    ) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.login = dict(login or {})
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it takes connections; RuntimeError with its own words when it ends before."""
        command = [self.program, *self._first(), "--bind", "127.0.0.1", *self._listen(), *self._options]
        self._process = subprocess.Popen(  # noqa: S603
            tied_command(command, signal.SIGKILL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            if self.ready in line:
                return
            said.append(line)
        raise RuntimeError("".join(said))

    def _first(self) -> Sequence[str]:
        return ("--save", "", "--appendonly", "no")

    def _listen(self) -> Sequence[str]:
        """TLS alone where there is a certificate."""
        if "--tls-port" in self._options:
            return ()
        return ("--port", "0", "--tls-port", str(self.port)) if TLS in self._options else ("--port", str(self.port))

    def kill(self) -> None:
        """As a machine that fails: at once. Safe when it does not run."""
        if self._process is not None:
            assert self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def pause(self) -> None:
        """It keeps its connections, takes new ones in the kernel, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Redis:
        """For looking into it; to be closed."""
        return Redis(port=self.port, decode_responses=True, **self.login)

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def demand_redis(*more: str) -> None:
    """Skips the test where the program, or another of Redis's, is missing, which in CI is a failure."""
    for program in (PROGRAM, *more):
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING.replace(PROGRAM, program))


def running_redis(folder: Path, options: Sequence[str] = (), port: int | None = None) -> Iterator[RedisServer]:
    """For fixtures; see `demand_redis`."""
    demand_redis()
    server = RedisServer(folder, options, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
