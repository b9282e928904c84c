"""StatsD itself, from npm. Datagrams are not answered: when it ends, it loses what it has not counted yet, and so does a
kernel that is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart
from flotilla_mixer.testing.statsd_server import StatsdServer


class Statsd(Counterpart):
    adapter, template, acknowledges = "statsd", "metric", False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = StatsdServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def received(self) -> int:
        return self._server.counters["entries"]

    def params(self) -> Mapping[str, Any]:
        metrics = {INSTANCE: {"type": "COUNTER", "nameTemplate": "entries"}}
        return {"address": f"127.0.0.1:{self._server.port}", "flushBytes": 1432, "metrics": metrics}

    def instance(self) -> Mapping[str, Any]:
        return {"value": "1", "dimensions": {"code": "response.code | 0"}}


COUNTERPART = Statsd
