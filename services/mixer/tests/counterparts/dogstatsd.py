"""StatsD itself, from npm, which reads DogStatsD's counters with their tags. As with `statsd`, datagrams are not answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart
from flotilla_mixer.testing.statsd_server import StatsdServer


class Dogstatsd(Counterpart):
    adapter, template, acknowledges = "dogstatsd", "metric", False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = StatsdServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def received(self) -> int:
        counted = self._server.counters.items()
        return sum(count for name, count in counted if name.partition(";")[0] == "istio.entries")

    def params(self) -> Mapping[str, Any]:
        metrics = {INSTANCE: {"name": "entries", "type": "COUNTER"}}
        return {"address": f"127.0.0.1:{self._server.port}", "metrics": metrics}

    def instance(self) -> Mapping[str, Any]:
        return {"value": "1", "dimensions": {"code": "response.code | 0"}}


COUNTERPART = Dogstatsd
