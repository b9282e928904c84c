"""CloudWatch's metrics, as moto's server has them: values are merged, and while it is away go on being merged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.cloudwatch.moto import MotoServer, moto_params
from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart


class CloudwatchMetrics(Counterpart):
    adapter, template, holds = "cloudwatch", "metric", True
    most_waiting = 1_000_000  # values: a minute has a datum for each code, and no more, whatever waits

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = MotoServer()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def hold(self, held: bool) -> None:
        self._server.hold(held)

    def received(self) -> int:
        return self._server.received()

    def params(self) -> Mapping[str, Any]:
        metric = {"unit": "Milliseconds", "metricName": "latency"}
        changes = {"namespace": "Mesh", "metricInfo": {INSTANCE: metric}, "flushDuration": "1s"}
        return moto_params(self._server, self.folder) | changes

    def instance(self) -> Mapping[str, Any]:
        return {"value": 'response.duration | "0ms"', "dimensions": {"code": "response.code | 0"}}


COUNTERPART = CloudwatchMetrics
