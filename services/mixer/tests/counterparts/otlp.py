"""A collector's service of spans as it checks and answers, over gRPC, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import Counterpart
from flotilla_mixer.testing.outages.served import Served


class Otlp(Counterpart):
    adapter, template, holds = "otlp", "tracespan", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = Served("flotilla_mixer.testing.otlp_server:OtlpServer")

    def start(self) -> None:
        self._server.ask("start")

    def stop(self) -> None:
        self._server.ask("stop")

    def close(self) -> None:
        self._server.close()

    def hold(self, held: bool) -> None:
        self._server.ask("hold", held)

    def received(self) -> int:
        found: int = self._server.ask("received")
        return found

    def params(self) -> Mapping[str, Any]:
        return {"endpoint": self._server.ask("endpoint"), "plaintext": True}

    def instance(self) -> Mapping[str, Any]:
        return {
            "traceId": 'request.headers["x-b3-traceid"]',
            "spanId": 'request.headers["x-b3-spanid"]',
            "spanName": "request.method",
            "startTime": "request.time",
            "endTime": "response.time",
            "sourceName": "source.workload.name",
            "destinationName": "destination.workload.name",
            "httpStatusCode": "response.code",
            "spanTags": {"url.path": "request.path"},
        }


COUNTERPART = Otlp
