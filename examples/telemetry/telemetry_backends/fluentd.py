"""The server of Fluentd's own npm package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.fluentd_server import FluentdServer
from telemetry_backends.telling import Backend, tell


class Fluentd(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._server = FluentdServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def params(self) -> Mapping[str, Any]:
        return {"address": self._server.address}

    def calls(self) -> Mapping[str, int]:
        return Counter(entry.record["destination"] for entry in self._server.received())


if __name__ == "__main__":
    tell(Fluentd)
