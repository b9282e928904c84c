"""A StatsD server of a test's own: the npm package, on loopback, which writes what it counted to its standard output."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

from flotilla_mixer.testing.npm import npm_package
from flotilla_shared.testing.ports import free_port

PACKAGE = "statsd@0.9.0"
FLUSH_MILLISECONDS = 100
READY = "server is up"
# StatsD's own way to take its figures: one line of JSON at each flush.
BACKEND = """\
exports.init = function (started, config, events) {
  events.on("flush", function (time, found) {
    console.log(JSON.stringify({counters: found.counters, gauges: found.gauges, timers: found.timers}));
  });
  return true;
};
"""


def statsd_program() -> Path:
    """Its stats.js, or one that FLOTILLA_STATSD names. Without npm the test is skipped, and in CI fails."""
    named = os.environ.get("FLOTILLA_STATSD")
    return Path(named) if named else npm_package(PACKAGE, "statsd", "statsd", "FLOTILLA_STATSD") / "stats.js"


class StatsdServer:
    """One process at a time, always on one port. What it counted before it was stopped stays counted."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        self.timers: dict[str, list[float]] = {}
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def start(self) -> None:
        """Returns when it takes datagrams. RuntimeError with its own words when it ends before."""
        file = self._folder / "statsd.js"
        file.write_text(json.dumps(self._configuration()))
        (self._folder / "flushed.js").write_text(BACKEND)
        self._process = subprocess.Popen(  # noqa: S603
            ["node", str(statsd_program()), str(file)],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if READY in line:
                break
        else:
            raise RuntimeError(said)
        self._reader = Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def _configuration(self) -> dict[str, Any]:
        """As its file of JavaScript takes it: JSON is part of that."""
        return {
            "port": self.port,
            "address": "127.0.0.1",
            "mgmt_address": "127.0.0.1",
            "mgmt_port": free_port(),
            "backends": [str(self._folder / "flushed.js")],
            "flushInterval": FLUSH_MILLISECONDS,
            "deleteIdleStats": True,
        }

    def _read(self, lines: Any) -> None:
        for line in lines:
            if not line.startswith("{"):
                continue
            said = json.loads(line)
            self.counters.update({name: value for name, value in said["counters"].items() if value})
            self.gauges.update(said["gauges"])
            for name, values in said["timers"].items():
                self.timers.setdefault(name, []).extend(values)

    def stop(self) -> None:
        """At once. Safe when it does not run."""
        if self._process is not None and self._reader is not None:
            assert self._process.stdout is not None
            self._process.terminate()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()
            self._process = None
