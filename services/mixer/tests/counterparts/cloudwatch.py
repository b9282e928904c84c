"""CloudWatch Logs, as moto's server has it: events one by one, each acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.cloudwatch.moto import MotoServer, moto_params
from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart


class Cloudwatch(Counterpart):
    adapter, template, holds, most_waiting = "cloudwatch", "logentry", True, 50_000

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
        return moto_params(self._server, self.folder) | {
            "logGroupName": "mesh",
            "logStreamName": "mixer",
            "whenMissing": "CREATE_GROUP",
            "logs": {INSTANCE: {"payloadTemplate": "{{.path}} {{.code}} {{.id}}"}},
            "logFlushDuration": "1s",
        }

    def instance(self) -> Mapping[str, Any]:
        variables = {"path": 'request.path | "-"', "code": "response.code | 0", "id": 'request.id | ""'}
        return {"severity": '"info"', "timestamp": "request.time", "variables": variables}


COUNTERPART = Cloudwatch
