"""Google's clouds of logs, metrics and traces, as far as they take things: servers of the official services, on loopback.

A call counts when its log entry, its point and its span are there: the least of what they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.served import Served
from flotilla_mixer.testing.stackdriver_server import StackdriverServer
from telemetry_backends.telling import Backend, tell


class Cloud(StackdriverServer):
    def told(self) -> dict[str, int]:
        logged = Counter(entry.labels["destination"] for entry in self.logs.entries)
        newest: dict[tuple[str, str, str], int] = {}  # of a series and the interval that it counts
        for series in self.points.series:
            point, labels = series.points[0], dict(series.metric.labels)
            begun = point.interval.start_time.ToJsonString()
            newest[labels["destination"], str(sorted(labels.items())), begun] = point.value.int64_value
        counted: Counter[str] = Counter()
        for (destination, _, _), value in newest.items():
            counted[destination] += value
        traced = Counter(span.display_name.value for span in self.traces.spans)
        return dict(logged & counted & traced)


class Stackdriver(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._served = Served("telemetry_backends.stackdriver:Cloud")

    def start(self) -> None:
        self._served.ask("start")

    def stop(self) -> None:
        self._served.close()

    def params(self) -> Mapping[str, Any]:
        return {"endpoint": self._served.ask("endpoint")}

    def calls(self) -> Mapping[str, int]:
        found: dict[str, int] = self._served.ask("told")
        return found


if __name__ == "__main__":
    tell(Stackdriver)
