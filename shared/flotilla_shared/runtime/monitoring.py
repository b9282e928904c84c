"""What operators and Kubernetes ask every service: /metrics /healthz /readyz /version."""

from __future__ import annotations

import platform
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from flotilla_shared.runtime.metrics import CONTENT_TYPE, ServiceMetrics
from flotilla_shared.runtime.readiness import Readiness


def version_info() -> dict[str, str]:
    return {"version": version("flotilla-mesh-shared"), "python": platform.python_version()}


def monitoring_app(metrics: ServiceMetrics, readiness: Readiness, version_info: dict[str, str]) -> FastAPI:
    """The application on the monitoring port. /healthz answers as long as the loop turns."""
    app = FastAPI(title=metrics.service, openapi_url=None)

    @app.get("/metrics")
    async def _metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @app.get("/healthz")
    async def _healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def _readyz() -> Response:
        reasons = readiness.unmet_reasons()
        conditions = {name: reasons.get(name, "met") for name in readiness.conditions}
        return JSONResponse(
            {"ready": readiness.ready, "conditions": conditions}, status_code=200 if readiness.ready else 503
        )

    @app.get("/version")
    async def _version() -> Response:
        return JSONResponse({"service": metrics.service, **version_info})

    return app
