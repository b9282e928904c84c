"""Opa's backend is a server that answers its Data API; `test_mixer_opa_real.py` has a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from flotilla_mixer.adapters.opa.adapter import Opa
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

SPEC = sample_spec(AUTHORIZATION)
MODULE = "package mixerauthz\ndefault allow = false\nallow = true { input.subject }\n"
RULE = "data.mixerauthz.allow"


class DataServer:
    """Allows everything; counts how often it was asked."""

    def __init__(self) -> None:
        self.port = free_port()
        self._asked = 0
        self._open = asyncio.Event()
        self._open.set()
        self._http: HttpServer | None = None

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/data/mixerauthz/allow")
        async def _data(body: dict[str, Any]) -> dict[str, Any]:
            self._asked += 1
            await self._open.wait()
            return {"result": "input" in body}

        return app

    async def start(self) -> Mapping[str, Any]:
        self._http = HttpServer(self._app(), "127.0.0.1", self.port)
        await self._http.start()
        return {"policy": [], "server": {"url": f"http://127.0.0.1:{self.port}", "timeout": "0.5s"}}

    async def stop(self) -> None:
        self._open.set()
        if self._http is not None:
            await self._http.stop()

    def hold(self, held: bool) -> None:
        if held:
            self._open.clear()
        else:
            self._open.set()

    def received(self) -> int:
        return self._asked


def server(**changes: object) -> dict[str, object]:
    return {"policy": [], "server": {"url": "http://127.0.0.1:1"} | changes}


CASE = AdapterCase(
    Opa,
    rows={SPEC: [sample_row(SPEC)] * 3},
    params={"checkMethod": RULE, "policy": [MODULE]},
    secrets={
        "server.tokenPath": {"policy": [], "server": {"url": "https://opa", "tokenPath": "/elsewhere/token"}},
        "server.privateKey": {
            "policy": [],
            "server": {"url": "https://opa", "clientCertificate": "/kept/cert", "privateKey": "/elsewhere/key"},
        },
    },
    wrong=[
        ({"checkMethod": ""}, "spec.params.checkMethod"),
        ({"policy": []}, "spec.params.policy"),
        ({"policy": ["bad policy"]}, "spec.params.policy"),
        ({"policy": [MODULE], "server": {"url": "http://a"}}, "spec.params.policy"),
        (server(url="ftp://a"), "spec.params.server.url"),
        (server(url="http://a:port"), "spec.params.server.url"),
        (server(privateKey="/key"), "spec.params.server.privateKey"),
        (server(timeout="-1s"), "spec.params.server.timeout"),
        (server(maxOpenCalls=-1), "spec.params.server.maxOpenCalls"),
        (server() | {"checkMethod": "data.a[0]"}, "spec.params.checkMethod"),
    ],
    backend=DataServer,
)
