"""A Fluentd of a test's own: FluentServer of the npm package @fluent-org/logger, on loopback, which tells what it took.

Fluentd and Fluent Bit are in no package index that tests may rely on; this server is of Fluentd's organisation.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

from flotilla_mixer.testing.fluentd_entries import NANOSECONDS, FluentdEntry
from flotilla_mixer.testing.npm import npm_package
from flotilla_shared.testing.ports import free_port

NAME, PACKAGE = "@fluent-org/logger", "@fluent-org/logger@1.0.10"
READY = "listening"
# It ends between two messages: of what it has acknowledged everything has been told.
PROGRAM = """\
const fs = require("fs");
const [folder, file] = process.argv.slice(2);
const {FluentServer} = require(folder);
const {tls, ...options} = JSON.parse(fs.readFileSync(file));
if (tls) {
  options.tlsOptions = {cert: fs.readFileSync(tls.cert), key: fs.readFileSync(tls.key)};
  if (tls.ca) {
    Object.assign(options.tlsOptions, {ca: fs.readFileSync(tls.ca), requestCert: true, rejectUnauthorized: true});
  }
}
const server = new FluentServer(options);
server.on("entry", (tag, time, record) => {
  const moment = typeof time === "number" ? [time] : [time.epoch, time.nano];
  fs.writeSync(1, JSON.stringify([tag, moment, record]) + "\\n");
});
process.on("SIGTERM", () => process.exit(0));
server.listen().then(() => fs.writeSync(1, "listening\\n"));
"""


def fluent_package() -> Path:
    """Its folder, or one that FLOTILLA_FLUENTD names. Without npm the test is skipped, and in CI fails."""
    return npm_package(PACKAGE, NAME, "fluentd", "FLOTILLA_FLUENTD")


class FluentdServer:
    """One process at a time, always on one port. What it took before it was stopped stays told.

    `shared_key` and `users` (passwords by name) are demanded of clients where they are given. `tls` names files in PEM: `cert`,
    `key`, and `ca` where clients need a certificate of that authority. `keep` is how many entries it keeps, the newest; all
    of them are counted: `taken`.
    """

    def __init__(
        self,
        folder: Path,
        shared_key: str = "",
        users: Mapping[str, str] | None = None,
        tls: Mapping[str, str] | None = None,
        keep: int | None = None,
    ) -> None:
        self.port = free_port()
        self.taken = 0
        self._folder = folder
        self._options = self._of(shared_key, users or {}, tls)
        self._entries: deque[FluentdEntry] = deque(maxlen=keep)
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def _of(self, shared_key: str, users: Mapping[str, str], tls: Mapping[str, str] | None) -> dict[str, Any]:
        options: dict[str, Any] = {"listenOptions": {"port": self.port, "host": "127.0.0.1"}}
        if shared_key:
            options["security"] = {
                "serverHostname": "fluentd.test",
                "sharedKey": shared_key,
                "authorize": bool(users),
                "userDict": dict(users),
            }
        return options | ({"tls": dict(tls)} if tls else {})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it takes connections. RuntimeError with its own words when it ends before."""
        program, options = self._folder / "fluentd.js", self._folder / "fluentd.json"
        program.write_text(PROGRAM)
        options.write_text(json.dumps(self._options))
        self._process = subprocess.Popen(  # noqa: S603
            ["node", str(program), str(fluent_package()), str(options)],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if line.strip() == READY:
                break
        else:
            raise RuntimeError(said)
        self._reader = Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def _read(self, lines: Any) -> None:
        for line in lines:
            if not line.startswith("["):
                continue
            tag, moment, record = json.loads(line)
            seconds, nanoseconds = (*moment, 0)[:2]
            entry = FluentdEntry(tag, seconds * NANOSECONDS + nanoseconds, record, precise=len(moment) > 1)
            self._entries.append(entry)
            self.taken += 1

    def received(self) -> list[FluentdEntry]:
        """The entries that it took over its whole life, in order; one that was sent again is there again."""
        return list(self._entries)

    def hold(self, held: bool) -> None:
        """While it is held it takes connections, by its kernel, and answers nobody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if held else signal.SIGCONT)

    def stop(self) -> None:
        """At once, with all connections. Safe when it does not run."""
        if self._process is not None and self._reader is not None:
            assert self._process.stdout is not None
            self.hold(False)
            self._process.terminate()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()
            self._process = None
