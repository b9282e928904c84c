"""The control API, on a Unix socket that only the agent's owner can open.

    GET    /workloads          all, with state, certificate and Envoy
    POST   /workloads          one more, as in agent.yaml: 201; 409 if a name or address is held, 422 if malformed
    DELETE /workloads/NAME     200 when drained and stopped; 404 if there is none
    GET    /healthz/ready      200 when every workload is ready

A refusal is `{"detail": sentence}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from flotilla_agent.config import WorkloadConfig
from flotilla_agent.errors import WorkloadRefused
from flotilla_agent.status.state import State
from flotilla_agent.status.view import workload_view

if TYPE_CHECKING:
    from flotilla_agent.fleet import Fleet


def control_app(fleet: Fleet) -> FastAPI:
    app = FastAPI(title="flotilla agent", openapi_url=None)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"detail": _sentence(error)}, status_code=422)

    @app.get("/workloads")
    async def _list() -> list[dict[str, Any]]:
        return await fleet.view()

    @app.post("/workloads", status_code=201)
    async def _add(config: WorkloadConfig) -> dict[str, Any]:
        try:
            workload = await fleet.add(config)
        except WorkloadRefused as error:
            raise HTTPException(409, str(error)) from error
        return await workload_view(workload)

    @app.delete("/workloads/{name}")
    async def _remove(name: str) -> dict[str, Any]:
        try:
            workload = await fleet.remove(name)
        except KeyError as error:
            raise HTTPException(404, f"there is no workload {name}") from error
        return await workload_view(workload)

    @app.get("/healthz/ready")
    async def _ready() -> Response:
        waiting = {each.config.name: str(each.state) for each in fleet.workloads if each.state is not State.READY}
        return JSONResponse({"ready": not waiting, "waiting": waiting}, status_code=503 if waiting else 200)

    return app


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
