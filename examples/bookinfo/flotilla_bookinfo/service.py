"""What the applications that speak HTTP share: how one is assembled, and its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from flotilla_bookinfo.neighbours import Neighbours
from flotilla_bookinfo.requestlog import RequestLog

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def assemble(
    service: str,
    environment: Mapping[str, str],
    routes: Sequence[BaseRoute],
    neighbours: Neighbours | None = None,
) -> Starlette:
    """The application with its health endpoint and request log; `neighbours` is closed when it stops."""
    version = environment.get("VERSION", "v1")

    async def health(_: Request) -> Response:
        return JSONResponse({"status": f"{service.capitalize()} is healthy"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if neighbours is not None:
                await neighbours.close()

    return Starlette(
        routes=[Route("/health", health), *routes],
        middleware=[Middleware(RequestLog, service=service, version=version)],
        lifespan=lifespan,
    )


def product_id(request: Request) -> int | None:
    """The number in the path, or None if it is none."""
    text: str = request.path_params["product"]
    return int(text) if text.isascii() and text.isdigit() else None


def bad_id() -> Response:
    return JSONResponse({"error": "please provide numeric product id"}, status_code=400)
