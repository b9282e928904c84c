"""Zipkin itself, from Maven: what it has taken it answers with 202."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import Counterpart
from flotilla_mixer.testing.zipkin_server import ZipkinServer


class Zipkin(Counterpart):
    adapter, template, holds = "zipkin", "tracespan", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = ZipkinServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def hold(self, held: bool) -> None:
        self._server.hold(held)

    def received(self) -> int:
        return self._server.received()

    def params(self) -> Mapping[str, Any]:
        return {"url": self._server.url, "encoding": "PROTO"}

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
            "spanTags": {"http.path": "request.path"},
        }


COUNTERPART = Zipkin
