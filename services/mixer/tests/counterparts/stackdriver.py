"""Google Cloud's services as they check and answer, in a process of its own, in plaintext."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart
from flotilla_mixer.testing.outages.served import Served


class Stackdriver(Counterpart):
    """Log entries: each is taken once, by its ID."""

    adapter: ClassVar[str] = "stackdriver"
    template: ClassVar[str] = "logentry"
    holds: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = Served("flotilla_mixer.testing.stackdriver_server:StackdriverServer")

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
        info = {"payloadTemplate": "{{.method}} {{.code}} {{.destination}}", "labelNames": ["code"], "trace": "trace"}
        return {
            "projectId": "mesh-1",
            "location": "europe-west1",
            "clusterName": "east",
            "endpoint": self._server.ask("endpoint"),
            "plaintext": True,
            "logInfo": {INSTANCE: info},
        }

    def instance(self) -> Mapping[str, Any]:
        variables = {
            "code": "response.code | 0",
            "destination": 'destination.workload.name | "unknown"',
            "method": 'request.method | "unknown"',
            "trace": 'request.headers["x-b3-traceid"] | ""',
        }
        return {"severity": '"INFO"', "timestamp": "request.time", "variables": variables}


COUNTERPART = Stackdriver
