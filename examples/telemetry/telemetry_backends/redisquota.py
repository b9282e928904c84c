"""A Redis. Its script has run once for each call of details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.redis_server import RedisServer, demand_redis
from telemetry_backends.telling import Backend, tell


class Redisquota(Backend):
    services: Sequence[str] = ("details",)

    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._server = RedisServer(folder)

    def start(self) -> None:
        demand_redis()
        self._server.start()

    def stop(self) -> None:
        self._server.kill()

    def params(self) -> Mapping[str, Any]:
        return {"redisServerUrl": self._server.address}

    def calls(self) -> Mapping[str, int]:
        with self._server.client() as client:
            run: dict[str, Any] = client.info("commandstats").get("cmdstat_evalsha", {})
        return {"details": int(run.get("calls", 0))}


if __name__ == "__main__":
    tell(Redisquota)
