"""The status port of one workload, 15020: /healthz/ready /healthz /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response

from flotilla_agent.errors import AdminUnavailable

if TYPE_CHECKING:
    from flotilla_agent.workload import Workload

STATUS_PORT = 15020
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def workload_app(workload: Workload) -> FastAPI:
    app = FastAPI(title=workload.config.name, openapi_url=None)

    @app.get("/healthz")
    async def _healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/healthz/ready")
    async def _ready() -> Response:
        ready = workload.state == "ready"
        reason = f": {workload.reason}" if workload.reason else ""
        return PlainTextResponse(f"{workload.state}{reason}\n", status_code=200 if ready else 503)

    @app.get("/metrics")
    @app.get("/stats/prometheus")
    async def _metrics() -> Response:
        text = own_metrics(workload)
        try:
            text += (await workload.admin.get("/stats/prometheus")).text
        except AdminUnavailable:
            text += "# Envoy does not answer\n"
        return Response(text, media_type=TEXT_FORMAT)

    return app


def own_metrics(workload: Workload) -> str:
    """What the agent itself knows of the workload, in Prometheus' text format."""
    current = workload.identity.current
    expiry = current.not_after.timestamp() if current is not None else -1.0
    ready = int(workload.state == "ready")
    return (
        "# HELP istio_agent_cert_expiry_timestamp When the workload's certificate ends, in seconds since 1970\n"
        "# TYPE istio_agent_cert_expiry_timestamp gauge\n"
        f"istio_agent_cert_expiry_timestamp {expiry}\n"
        "# HELP istio_agent_ready Whether the workload's Envoy is ready\n"
        "# TYPE istio_agent_ready gauge\n"
        f"istio_agent_ready {ready}\n"
    )
