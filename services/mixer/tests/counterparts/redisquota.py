"""A real Redis, which is killed and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart, Way
from flotilla_mixer.testing.redis_server import RedisServer, demand_redis

PAUSE_MS = 10_000  # of scripts


class Redisquota(Counterpart):
    adapter, template, way, holds = "redisquota", "quota", Way.ASKED, True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = RedisServer(folder)
        self._before = 0

    def start(self) -> None:
        demand_redis()
        self._server.start()

    def stop(self) -> None:
        if self._server.runs:
            self._server.resume()
            with self._server.client() as client:
                client.client_pause(PAUSE_MS, all=False)  # or a call between the count and the end would count nowhere
            self._before = self.received()
            self._server.kill()

    def hold(self, held: bool) -> None:
        (self._server.pause if held else self._server.resume)()

    def received(self) -> int:
        if not self._server.runs:
            return self._before
        with self._server.client() as client:
            run: dict[str, Any] = client.info("commandstats").get("cmdstat_evalsha", {})
        return self._before + int(run.get("calls", 0))

    def params(self) -> Mapping[str, Any]:
        quota = {"name": INSTANCE, "maxAmount": 10_000_000, "validDuration": "3600s"}
        return {"redisServerUrl": self._server.address, "quotas": [quota]}

    def instance(self) -> Mapping[str, Any]:
        return {"dimensions": {"code": 'destination.service.name | "unknown"'}}


COUNTERPART = Redisquota
