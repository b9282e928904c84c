"""A collector's service of metrics, over HTTP: what it has received is what the sums say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart
from flotilla_mixer.testing.outages.served import Served

NAME = "mesh.calls"


class OtlpMetrics(Counterpart):
    """Rows wait in sums, of which there are few; so they may be any number."""

    adapter, template, holds, most_waiting = "otlp", "metric", True, 10**9

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = Served("flotilla_mixer.testing.otlp_server:OtlpServer", protocol="http")

    def start(self) -> None:
        self._server.ask("start")

    def stop(self) -> None:
        self._server.ask("stop")

    def close(self) -> None:
        self._server.close()

    def hold(self, held: bool) -> None:
        self._server.ask("hold", held)

    def received(self) -> int:
        found: int = self._server.ask("total", NAME)
        return found

    def params(self) -> Mapping[str, Any]:
        metrics = {INSTANCE: {"name": NAME, "kind": "SUM"}}
        endpoint = self._server.ask("endpoint")
        return {
            "endpoint": endpoint,
            "protocol": "HTTP",
            "plaintext": True,
            "metrics": metrics,
            "metricsInterval": "1s",
        }

    def instance(self) -> Mapping[str, Any]:
        dimensions = {"code": "response.code | 0", "destination": 'destination.workload.name | "unknown"'}
        return {"value": "1", "dimensions": dimensions}


COUNTERPART = OtlpMetrics
