"""A real Prometheus, which reads Mixer's page every second: sums, of which an outage loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart, Way
from flotilla_mixer.testing.prometheus_server import PrometheusServer
from flotilla_shared.testing.ports import free_port

TOTAL = "sum(last_over_time(istio_entries_total[1h]))"


class Prometheus(Counterpart):
    adapter, template, way = "prometheus", "metric", Way.PULLED

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._page = free_port()
        self._server = PrometheusServer(folder, [f"127.0.0.1:{self._page}"])
        self._seen = 0

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self.received()
        self._server.stop()

    def received(self) -> int:
        if self._server.runs:
            self._seen = max(self._seen, int(sum(self._server.query(TOTAL).values())))
        return self._seen

    def settings(self) -> Mapping[str, Any]:
        return {"prometheus_port": self._page}

    def params(self) -> Mapping[str, Any]:
        metric = {"name": "entries_total", "instanceName": INSTANCE, "kind": "COUNTER", "labelNames": ["code"]}
        return {"metrics": [metric]}

    def instance(self) -> Mapping[str, Any]:
        return {"value": "1", "dimensions": {"code": "response.code | 0"}}


COUNTERPART = Prometheus
