"""StatsD itself, from npm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.statsd_server import StatsdServer
from telemetry_backends.telling import Backend, tell


class Statsd(Backend):
    CALLS = re.compile(r"bookinfo\.calls\.(\w+)\.\d+")
    """A counter's name, with the service that was called."""

    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._server = StatsdServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def params(self) -> Mapping[str, Any]:
        return {"address": f"127.0.0.1:{self._server.port}"}

    def calls(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for name, count in dict(self._server.counters).items():
            if told := self.CALLS.fullmatch(name):
                found[told[1]] += int(count)
        return found


if __name__ == "__main__":
    tell(Statsd)
