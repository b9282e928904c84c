"""What can be asked of a running Mixer on its introspection port, beside topics: Checks and reports that are explained,
and the tap.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from flotilla_mixer.debug.tap import TOO_MANY, Filter, FilterError, Tap, TooManyListeners
from flotilla_mixer.debug.tap_page import tap_page
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.explain import explain_check, explain_report
from flotilla_mixer.explain.question import Question, QuestionError, read_question

MOST_BYTES = 4 * 1024 * 1024
JSON_LINES, EVENTS = "application/x-ndjson", "text/event-stream"

Explain = Callable[[DispatchTable, Question], Awaitable[dict[str, Any]]]


def questions_router(table: Callable[[], DispatchTable | None], tap: Tap) -> APIRouter:
    """`POST /debug/check`, `POST /debug/report` (JSON), `GET /debug/tap` (a page, events, or lines of JSON).

    Quotas are used up and reports are sent only where the question says so.
    """
    router = APIRouter(dependencies=[Depends(only_from_here)])

    @router.post("/debug/check")
    async def _check(request: Request) -> Response:
        return await _explained(table(), request, explain_check)

    @router.post("/debug/report")
    async def _report(request: Request) -> Response:
        return await _explained(table(), request, explain_report)

    @router.get("/debug/tap")
    async def _tap(request: Request) -> Response:
        accepted = request.headers.get("accept", "")
        if "text/html" in accepted:
            return HTMLResponse(tap_page(request.url.query))
        return _stream(tap, table(), dict(request.query_params), events=EVENTS in accepted)

    return router


async def only_from_here(request: Request) -> None:
    """A page of a foreign site may have a name that leads to this machine, and a browser here would then ask for it: only
    addresses and localhost are answered.
    """
    host = request.url.hostname or ""
    try:
        if host != "localhost":
            ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise HTTPException(403, "ask by an address of this machine, or as localhost") from None


async def _explained(table: DispatchTable | None, request: Request, explain: Explain) -> Response:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return _refused(415, "a question is application/json.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return _refused(413, f"a question has at most {MOST_BYTES} bytes.")
    if table is None:
        return _refused(503, "Mixer is not ready: it has no configuration yet.")
    try:
        return JSONResponse(await explain(table, read_question(json.loads(body))))
    except QuestionError as error:
        return _refused(400, str(error))
    except (ValueError, RecursionError) as error:
        return _refused(400, f"a question is JSON: {error}.")


def _stream(tap: Tap, table: DispatchTable | None, query: dict[str, str], *, events: bool) -> Response:
    if table is None:
        return _refused(503, "Mixer is not ready: it has no configuration yet.")
    query.pop("format", None)
    try:
        listener = tap.listen(Filter.read(query, table.configuration.vocabulary))
    except FilterError as error:
        return _refused(400, str(error))
    except TooManyListeners:
        return _refused(429, TOO_MANY)

    async def lines() -> AsyncIterator[str]:
        try:
            async for line in listener.lines():
                text = json.dumps(line)
                yield f"data: {text}\n\n" if events else f"{text}\n"
        finally:
            tap.leave(listener)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(lines(), media_type=EVENTS if events else JSON_LINES, headers=headers)


def _refused(code: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=code)
