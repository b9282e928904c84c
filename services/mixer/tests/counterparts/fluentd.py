"""The server of Fluentd's own npm package: it acknowledges each message, and tells each entry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.fluentd_server import FluentdServer
from flotilla_mixer.testing.outages.counterpart import Counterpart


class Fluentd(Counterpart):
    adapter, template, holds = "fluentd", "logentry", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = FluentdServer(folder, keep=0)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def hold(self, held: bool) -> None:
        self._server.hold(held)

    def received(self) -> int:
        return self._server.taken

    def params(self) -> Mapping[str, Any]:
        return {"address": self._server.address}

    def instance(self) -> Mapping[str, Any]:
        variables = {
            "code": "response.code | 0",
            "destination": 'destination.workload.name | "unknown"',
            "method": 'request.method | "unknown"',
        }
        return {"severity": '"info"', "timestamp": "request.time", "variables": variables}


COUNTERPART = Fluentd
