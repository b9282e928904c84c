"""Amazon CloudWatch as moto's server has it. A call counts when its values and its line are there: the least of what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.cloudwatch.moto import MotoServer
from telemetry_backends.telling import Backend, tell

NAMESPACE, GROUP, STREAM = "Bookinfo", "/bookinfo/access", "mixer"


class Cloudwatch(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._server = MotoServer()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def params(self) -> Mapping[str, Any]:
        return {"endpoints": {"metrics": self._server.url, "logs": self._server.url}}

    def environment(self) -> Mapping[str, str]:
        return {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}

    def calls(self) -> Mapping[str, int]:
        counted: dict[str, Counter[str]] = {"calls": Counter(), "took": Counter()}
        for (name, dimensions), found in self._server.statistics(NAMESPACE).items():
            counted[name][dict(dimensions)["destination"]] += int(found["SampleCount"])
        logged = Counter(message.partition(" ")[0] for _, message in self._server.events(GROUP, STREAM))
        return counted["calls"] & counted["took"] & logged


if __name__ == "__main__":
    tell(Cloudwatch)
