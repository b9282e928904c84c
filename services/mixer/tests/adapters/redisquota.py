"""Redisquota's backend is a Redis, where there is one on the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.redis_server import RedisServer, demand_redis

SPEC = sample_spec(QUOTA, name="calls.instance.test")
CALLS = {"name": "calls.instance.test", "maxAmount": 10, "validDuration": "10s"}
ROLLING = {"rateLimitAlgorithm": "ROLLING_WINDOW", "bucketDuration": "1s"}


class Counter:
    """A Redis, and how many scripts it has run in all its lives."""

    def __init__(self) -> None:
        self._server: RedisServer | None = None
        self._before = 0

    async def start(self) -> Mapping[str, Any]:
        demand_redis()
        self._server = self._server or RedisServer(Path(tempfile.gettempdir()))
        self._server.start()
        return {"redisServerUrl": self._server.address}

    async def stop(self) -> None:
        if self._server is not None and self._server.runs:
            self._server.resume()
            self._before = self.received()
            self._server.kill()

    def hold(self, held: bool) -> None:
        assert self._server is not None
        (self._server.pause if held else self._server.resume)()

    def received(self) -> int:
        assert self._server is not None
        if not self._server.runs:
            return self._before
        with self._server.client() as client:
            run: dict[str, Any] = client.info("commandstats").get("cmdstat_evalsha", {})
        return self._before + int(run.get("calls", 0))


def quotas(**changes: object) -> dict[str, object]:
    return {"quotas": [CALLS | changes]}


SENTINEL = {"masterName": "quotas", "addresses": ["127.0.0.1:1"]}
KEY = {"certificateFile": "/kept/cert", "keyFile": "/elsewhere/key"}

CASE = AdapterCase(
    Redisquota,
    rows={SPEC: [sample_row(SPEC)] * 12},
    params={
        **quotas(overrides=[{"dimensions": {"code": "code of it"}, "maxAmount": 5}], **ROLLING),
        "redisServerUrl": "127.0.0.1:1",
        "connectTimeout": "0.5s",
        "timeout": "0.5s",
    },
    secrets={
        "passwordFile": {"passwordFile": "/elsewhere/password"},
        "tls.keyFile": {"tls": KEY},
        "sentinel.passwordFile": {"sentinel": {**SENTINEL, "passwordFile": "/elsewhere/password"}},
        "sentinel.tls.keyFile": {"sentinel": {**SENTINEL, "tls": KEY}},
    },
    wrong=[
        (quotas(name=""), "spec.params.quotas[0].name"),
        ({"quotas": [CALLS, CALLS]}, "spec.params.quotas[1].name"),
        ({"quotas": []}, "spec.params.quotas"),
        (quotas(maxAmount=0), "spec.params.quotas[0].maxAmount"),
        (quotas(validDuration="0s"), "spec.params.quotas[0].validDuration"),
        (quotas(rateLimitAlgorithm=7), "spec.params.quotas[0].rateLimitAlgorithm"),
        (quotas(rateLimitAlgorithm="ROLLING_WINDOW"), "spec.params.quotas[0].bucketDuration"),
        (quotas(overrides=[{"maxAmount": 1}]), "spec.params.quotas[0].overrides[0].dimensions"),
        ({"redisServerUrl": "redis://host"}, "spec.params.redisServerUrl"),
        ({"whenAway": 7}, "spec.params.whenAway"),
    ],
    misfits=[(sample_spec(QUOTA, name="other.instance.test"), "spec.params.quotas")],
    backend=Counter,
)
