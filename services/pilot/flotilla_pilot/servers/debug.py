"""The debug port (8080, loopback only): /ready and /debug/*, as Istio's tools ask for them."""

import inspect
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from flotilla_pilot.debug.problems import BadQuestion, NotFound
from flotilla_pilot.debug.topics import Topic
from flotilla_shared.runtime.readiness import Readiness


def debug_app(readiness: Readiness, topics: Mapping[str, Topic]) -> FastAPI:
    """The application. /ready is 200 and empty, or 503 with the reasons."""
    app = FastAPI(title="pilot debug", openapi_url=None)

    @app.get("/ready")
    async def _ready() -> Response:
        reasons = readiness.unmet_reasons()
        text = "".join(f"{name}: {reason}\n" for name, reason in reasons.items())
        return PlainTextResponse(text, status_code=503 if reasons else 200)

    @app.get("/debug")
    async def _index() -> Response:
        return JSONResponse([f"/debug/{name}" for name in sorted(topics)])

    @app.get("/debug/{topic}")
    async def _topic(topic: str, request: Request) -> Response:
        found = topics.get(topic)
        if found is None:
            return PlainTextResponse(f"there is no /debug/{topic}; /debug lists what there is\n", 404)
        return await _answer(found, dict(request.query_params))

    return app


async def _answer(topic: Topic, query: dict[str, str]) -> Response:
    try:
        shown: Any = topic(query) if inspect.signature(topic).parameters else topic()
        if inspect.isawaitable(shown):
            shown = await shown
    except BadQuestion as bad:
        return PlainTextResponse(f"{bad}\n", 400)
    except NotFound as missing:
        return PlainTextResponse(f"{missing}\n", 404)
    return JSONResponse(shown)
