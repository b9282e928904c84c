"""The control API, on a Unix socket that only the agent's owner can open.

GET    /workloads          all, with state, certificate and Envoy
POST   /workloads          one more, as in agent.yaml; 201, or 409 with a sentence
DELETE /workloads/NAME     drained and stopped when answered
GET    /healthz/ready      200 when every workload is ready
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse, Response

from flotilla_agent.config import WorkloadConfig
from flotilla_agent.errors import WorkloadRefused

if TYPE_CHECKING:
    from flotilla_agent.fleet import Fleet


def control_app(fleet: Fleet) -> FastAPI:
    app = FastAPI(title="flotilla agent", openapi_url=None)

    @app.get("/workloads")
    async def _list() -> list[dict[str, Any]]:
        return await fleet.view()

    @app.post("/workloads", status_code=201)
    async def _add(config: WorkloadConfig) -> dict[str, Any]:
        try:
            workload = await fleet.add(config)
        except WorkloadRefused as error:
            raise HTTPException(409, str(error)) from error
        return await workload.view()

    @app.delete("/workloads/{name}")
    async def _remove(name: str) -> Response:
        try:
            await fleet.remove(name)
        except KeyError as error:
            raise HTTPException(404, f"there is no workload {name}") from error
        return JSONResponse({})

    @app.get("/healthz/ready")
    async def _ready() -> Response:
        waiting = {each.config.name: str(each.state) for each in fleet.workloads if each.state != "ready"}
        return JSONResponse({"ready": not waiting, "waiting": waiting}, status_code=503 if waiting else 200)

    return app
