"""The page that Prometheus scrapes: port 42422, as 1.4's istio-telemetry had it.

It is written piece by piece, and each piece waits until the scraper has taken the one before: neither a large page
nor a slow scraper holds up the Checks, or the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flotilla_mixer.adapters.prometheus.families import FamilyStore

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SERIES_AT_ONCE = 200  # about a millisecond
SCRAPES_AT_ONCE = 4


def pieces(store: FamilyStore) -> Iterator[bytes]:
    """The text format, in pieces. Each family is as it is when its first piece is made."""
    for family in store.families():
        series, shape = family.series(), family.shape
        if series:
            yield shape.head.encode()
        for begin in range(0, len(series), SERIES_AT_ONCE):
            yield "".join(map(shape.lines, series[begin : begin + SERIES_AT_ONCE])).encode()


def render(store: FamilyStore) -> bytes:
    """The whole page."""
    return b"".join(pieces(store))


class Scrapes:
    """How many are under way."""

    def __init__(self) -> None:
        self.open = 0


class Page(StreamingResponse):
    """One scrape; it counts from its making to the end of its sending."""

    def __init__(self, store: FamilyStore, scrapes: Scrapes) -> None:
        super().__init__(_one_a_turn(store), media_type=CONTENT_TYPE)
        self._scrapes = scrapes
        scrapes.open += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._scrapes.open -= 1


async def _one_a_turn(store: FamilyStore) -> AsyncIterator[bytes]:
    for piece in pieces(store):
        yield piece
        await asyncio.sleep(0)


def metrics_app(store: FamilyStore) -> FastAPI:
    """`GET /metrics`. More scrapes at once than SCRAPES_AT_ONCE are answered 503."""
    app = FastAPI(title="mixer's prometheus handler", openapi_url=None)
    scrapes = Scrapes()

    @app.get("/metrics")
    async def _metrics() -> Response:
        if scrapes.open >= SCRAPES_AT_ONCE:
            return PlainTextResponse("too many scrapes at once; try again\n", 503, {"retry-after": "5"})
        return Page(store, scrapes)

    return app
