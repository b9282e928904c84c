"""The page that Prometheus scrapes: port 42422, as 1.4's istio-telemetry had it.

It is written piece by piece, and each piece waits until the scraper has taken the one before: neither a large page
nor a slow scraper holds up the Checks, or the memory. Pieces are compressed by a thread.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flotilla_mixer.adapters.prometheus.accepted import accepts_gzip, prefers_open_metrics
from flotilla_mixer.adapters.prometheus.families import FamilyStore

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SERIES_AT_ONCE = 200  # about a millisecond
SCRAPES_AT_ONCE = 4
GZIP, LEVEL = 31, 1  # zlib's number for gzip; the quickest, which makes a page a tenth as long


def pieces(store: FamilyStore, *, open_metrics: bool = False) -> Iterator[bytes]:
    """The page, in pieces. Each family is as it is when its first piece is made."""
    for family in store.families():
        series, lines = family.series(), family.shape.lines
        if series:
            yield family.shape.head(open_metrics=open_metrics).encode()
        for begin in range(0, len(series), SERIES_AT_ONCE):
            part = series[begin : begin + SERIES_AT_ONCE]
            yield "".join([lines(each, open_metrics=open_metrics) for each in part]).encode()
    if open_metrics:
        yield b"# EOF\n"


def render(store: FamilyStore, *, open_metrics: bool = False) -> bytes:
    """The whole page."""
    return b"".join(pieces(store, open_metrics=open_metrics))


class Scrapes:
    """How many are under way."""

    def __init__(self) -> None:
        self.open = 0


class Page(StreamingResponse):
    """One scrape; it counts from its making to the end of its sending."""

    def __init__(self, store: FamilyStore, scrapes: Scrapes, accept: str, accept_encoding: str) -> None:
        open_metrics, gzip = prefers_open_metrics(accept), accepts_gzip(accept_encoding)
        found = _one_a_turn(pieces(store, open_metrics=open_metrics))
        headers = {"vary": "accept, accept-encoding"} | ({"content-encoding": "gzip"} if gzip else {})
        super().__init__(
            _compressed(found) if gzip else found,
            media_type=OPEN_CONTENT_TYPE if open_metrics else CONTENT_TYPE,
            headers=headers,
        )
        self._scrapes = scrapes
        scrapes.open += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._scrapes.open -= 1


async def _one_a_turn(found: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in found:
        yield piece
        await asyncio.sleep(0)


async def _compressed(found: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    async for piece in found:
        if part := await asyncio.to_thread(compressor.compress, piece):
            yield part
    yield compressor.flush()


def metrics_app(store: FamilyStore) -> FastAPI:
    """`GET /metrics`, in the text format or in OpenMetrics, as it is or compressed, as the scraper asks. More scrapes at
    once than SCRAPES_AT_ONCE are answered 503.
    """
    app = FastAPI(title="mixer's prometheus handler", openapi_url=None)
    scrapes = Scrapes()

    @app.get("/metrics")
    async def _metrics(request: Request) -> Response:
        if scrapes.open >= SCRAPES_AT_ONCE:
            return PlainTextResponse("too many scrapes at once; try again\n", 503, {"retry-after": "5"})
        return Page(store, scrapes, request.headers.get("accept", ""), request.headers.get("accept-encoding", ""))

    return app
