"""Datadog's intake as far as it takes things, on loopback. A call counts when its log and its point are there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.datadog_intake import KEY, DatadogIntake
from flotilla_mixer.testing.outages.served import Served
from telemetry_backends.telling import Backend, tell

TAG = "destination:"


class Intake(DatadogIntake):
    def told(self) -> dict[str, int]:
        """The lesser of what logs and points say, by destination."""
        logged = Counter(str(each["service"]) for each in self.logs)
        counted: Counter[str] = Counter()
        for point in self.points:
            if point.metric.endswith("bookinfo.calls"):
                name = next(tag for tag in point.tags if tag.startswith(TAG)).removeprefix(TAG)
                counted[name] += int(point.value)
        return dict(logged & counted)


class Datadog(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._served = Served("telemetry_backends.datadog:Intake")
        self._key = folder / "key"

    def start(self) -> None:
        self._key.write_text(KEY)
        self._served.ask("start")

    def stop(self) -> None:
        self._served.close()

    def params(self) -> Mapping[str, Any]:
        url = self._served.ask("url")
        return {"metricsUrl": url, "logsUrl": url, "apiKeyFile": str(self._key)}

    def environment(self) -> Mapping[str, str]:
        """Mixer takes keys from folders that are kept for secrets alone."""
        return {"FLOTILLA_MIXER_SECRET_FOLDERS": json.dumps([str(self.folder)])}

    def calls(self) -> Mapping[str, int]:
        found: dict[str, int] = self._served.ask("told")
        return found


if __name__ == "__main__":
    tell(Datadog)
