"""Zipkin itself, from Maven Central."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.zipkin_server import ZipkinServer
from telemetry_backends.telling import Backend, tell

DAY_MILLISECONDS = 86_400_000
MOST_TRACES = 10_000


class Zipkin(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._server = ZipkinServer(folder)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def params(self) -> Mapping[str, Any]:
        return {"url": self._server.url}

    def page(self) -> str:
        return f"{self._server.url}/zipkin/"

    def calls(self) -> Mapping[str, int]:
        traces = self._server.get("/api/v2/traces", limit=MOST_TRACES, lookback=DAY_MILLISECONDS)
        return Counter(span["name"] for trace in traces for span in trace)


if __name__ == "__main__":
    tell(Zipkin)
