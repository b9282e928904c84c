"""Prometheus, which reads Mixer's page every second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flotilla_mixer.testing.prometheus_server import PrometheusServer
from telemetry_backends.telling import Backend, tell

PAGE_PORT = 42422
CALLS = "sum by (destination) (bookinfo_calls_total)"


class Prometheus(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        target = mixer if ":" in mixer else f"{mixer}:{PAGE_PORT}"
        self._server = PrometheusServer(folder, [target])

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def page(self) -> str:
        return f"{self._server.url}/graph"

    def calls(self) -> Mapping[str, int]:
        return {dict(labels)["destination"]: int(value) for labels, value in self._server.query(CALLS).items()}


if __name__ == "__main__":
    tell(Prometheus)
