"""A Zipkin of a test's own: the program of Maven Central, on loopback, with its spans in memory."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from flotilla_mixer.testing.relay import Relay
from flotilla_shared.runtime.child import tied_command
from flotilla_shared.testing.ports import free_port

VERSION = "3.5.1"
ARTIFACT = f"io.zipkin:zipkin-server:{VERSION}:jar:exec"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"
MISSING = "there is no Zipkin: install Java 17 and Maven, or name its jar by FLOTILLA_ZIPKIN"
READY_SECONDS = 200  # of a busy machine; else about ten
TAKEN = "counter.zipkin_collector.spans.http"
MOST_SPANS = 1_000_000


def zipkin_program() -> Path:
    """Its jar; Maven fetches it into ~/.cache/flotilla-zipkin at the first call, 131 MB. Without Java or Maven the test is
    skipped, and in CI fails.
    """
    if not shutil.which("java"):
        _missing(MISSING)
    if named := os.environ.get("FLOTILLA_ZIPKIN"):
        return Path(named)
    folder = Path.home() / ".cache" / "flotilla-zipkin"
    program = folder / "repository/io/zipkin/zipkin-server" / VERSION / f"zipkin-server-{VERSION}-exec.jar"
    if not program.exists() and not shutil.which("mvn"):
        _missing(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not program.exists():
            _fetch(folder)
    return program


def _fetch(folder: Path) -> None:
    repository = f"-Dmaven.repo.local={folder / 'repository'}"
    mvn = ["mvn", "-q", "-B", repository, PLUGIN, f"-Dartifact={ARTIFACT}", "-Dtransitive=false"]
    done = subprocess.run(mvn, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        _missing(f"{MISSING}: {done.stdout.strip()[-300:]}")


def _missing(said: str) -> NoReturn:
    """In CI nothing is skipped for lack of a tool."""
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


class ZipkinServer:
    """One process at a time, always on one port. It forgets its spans when it is stopped, and `received` does not. It ends
    with the calling thread. Spans come to it through a relay, which ends first, so that it can still be asked how many
    it has answered for.
    """

    def __init__(self, folder: Path) -> None:
        self.port, self._own_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._relay = Relay(self.port, self._own_port)
        self._log = folder / "zipkin.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._before = 0

    def start(self) -> None:
        """Returns when it takes spans. RuntimeError with its own words when it ends before."""
        listen = {"port": str(self._own_port), "ip": "127.0.0.1", "protocols[0]": "http"}
        options = [f"--armeria.ports[0].{name}={value}" for name, value in listen.items()]
        options.append(f"--zipkin.storage.mem.max-spans={MOST_SPANS}")
        command = ["java", "-Xmx256m", "-jar", str(zipkin_program()), *options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                tied_command(command, signal.SIGKILL), stdout=log, stderr=subprocess.STDOUT, cwd=self._log.parent
            )
        self._await_ready()
        self._relay.start()

    def _await_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                if self.get("/health", seconds=2)["status"] == "UP":
                    return
            except (httpx.HTTPError, ValueError):
                time.sleep(0.1)
        raise RuntimeError(self._log.read_text()[-2000:])

    def stop(self) -> None:
        """At once, as a machine that fails. Safe when it does not run."""
        self._relay.stop()
        if self._process is not None:
            self.hold(False)
            with suppress(httpx.HTTPError):
                self._before = self.received()
            self._process.kill()
            self._process.wait()
            self._process = None

    def hold(self, held: bool) -> None:
        """While it is held it keeps its connections, takes new ones in the kernel, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if held else signal.SIGCONT)

    def get(self, path: str, seconds: float = 30, **query: Any) -> Any:
        """What its API answers, as JSON."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self._own_port}", trust_env=False, timeout=seconds) as client:
            return client.get(path, params=query).raise_for_status().json()

    def trace(self, trace: str) -> list[dict[str, Any]]:
        """The spans of a trace, none while it is not known."""
        try:
            found: list[dict[str, Any]] = self.get(f"/api/v2/trace/{trace}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return []
            raise
        return found

    def edges(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(caller, called) -> calls, and those among them that failed."""
        now = round(time.time() * 1000)
        links = self.get("/api/v2/dependencies", endTs=now + 60_000, lookback=86_400_000)
        return {(each["parent"], each["child"]): (each["callCount"], each.get("errorCount", 0)) for each in links}

    def received(self) -> int:
        """How many spans it has taken in its whole life."""
        if self._process is None:
            return self._before
        return self._before + int(self.get("/metrics").get(TAKEN, 0))
