"""Listchecker's backend is an HTTP server that provides the list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Response

from flotilla_mixer.adapters.list.adapter import ListChecker
from flotilla_mixer.templates.catalogue import LIST_ENTRY
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_shared.model.expressions import ValueType
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

SPEC = sample_spec(LIST_ENTRY, value=ValueType.STRING)


class ListServer:
    """Answers with two entries; counts how often it was asked."""

    def __init__(self) -> None:
        self.port = free_port()
        self._asked = 0
        self._open = asyncio.Event()
        self._open.set()
        self._http: HttpServer | None = None

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/list")
        async def _list() -> Response:
            self._asked += 1
            await self._open.wait()
            return Response("ABC\nDEF\n", media_type="text/plain")

        return app

    async def start(self) -> Mapping[str, Any]:
        self._http = HttpServer(self._app(), "127.0.0.1", self.port)
        await self._http.start()
        url = f"http://127.0.0.1:{self.port}/list"
        return {"providerUrl": url, "refreshInterval": "1s", "ttl": "1s", "overrides": []}

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


def provided(**changes: object) -> dict[str, object]:
    return {"providerUrl": "http://127.0.0.1:1/list"} | changes


CASE = AdapterCase(
    ListChecker,
    rows={SPEC: [("ABC",), ("XYZ",)]},
    params={"overrides": ["ABC"]},
    wrong=[
        (provided(providerUrl="ftp://lists/a"), "spec.params.providerUrl"),
        (provided(providerUrl="http://"), "spec.params.providerUrl"),
        (provided(providerUrl="http://a:port/"), "spec.params.providerUrl"),
        (provided(refreshInterval="0.5s"), "spec.params.refreshInterval"),
        (provided(refreshInterval="10s", ttl="5s"), "spec.params.ttl"),
        ({"cachingInterval": "-1s"}, "spec.params.cachingInterval"),
        ({"cachingUseCount": -1}, "spec.params.cachingUseCount"),
        ({"entryType": 17}, "spec.params.entryType"),
        ({"entryType": "REGEX", "overrides": ["("]}, "spec.params.overrides"),
        ({"entryType": "IP_ADDRESSES", "overrides": ["10.0.0.0/33"]}, "spec.params.overrides"),
    ],
    backend=ListServer,
)
