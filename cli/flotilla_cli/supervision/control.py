"""The supervisor's control socket: HTTP and JSON, for the other commands. Only the mesh's owner can open it.

GET  /state                    phase, pid, directory: answered at once
GET  /status                   everything (status/gather.py)
POST /parts/NAME/start
POST /parts/NAME/stop          {"kill": true} for SIGKILL
POST /down                     202; the mesh is stopped when the socket is gone
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_cli.errors import FlotillaError
from flotilla_cli.status.gather import gather
from flotilla_cli.supervision.supervisor import Supervisor

Handler = Callable[[Request], Awaitable[Response]]


def control_app(supervisor: Supervisor, down: Callable[[], None]) -> Starlette:
    """The application on the control socket. `down` asks for the mesh's end and returns at once."""

    async def state(_: Request) -> Response:
        return JSONResponse(
            {
                "phase": supervisor.phase,
                "pid": os.getpid(),
                "directory": str(supervisor.plan.directory),
            }
        )

    async def status(_: Request) -> Response:
        return JSONResponse(await gather(supervisor))

    async def start(request: Request) -> Response:
        await supervisor.start(request.path_params["name"])
        return JSONResponse({})

    async def stop(request: Request) -> Response:
        body = await request.body()
        kill = bool(body) and bool((await request.json()).get("kill"))
        await supervisor.stop(request.path_params["name"], kill=kill)
        return JSONResponse({})

    async def end(_: Request) -> Response:
        down()
        return JSONResponse({}, status_code=202)

    return Starlette(
        routes=[
            Route("/state", state),
            Route("/status", status),
            Route("/parts/{name}/start", refusing(start), methods=["POST"]),
            Route("/parts/{name}/stop", refusing(stop), methods=["POST"]),
            Route("/down", end, methods=["POST"]),
        ]
    )


def refusing(handler: Handler) -> Handler:
    """A FlotillaError becomes 409 with its text and mend."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except FlotillaError as error:
            return JSONResponse({"text": error.text, "mend": error.mend}, status_code=409)

    return answer
