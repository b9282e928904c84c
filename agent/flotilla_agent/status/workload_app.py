"""The status port of one workload, 15020: /healthz/ready /healthz /metrics /stats/prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response

from flotilla_agent.status.state import State
from flotilla_shared.runtime.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from flotilla_agent.status.living import LivingWorkload


def workload_app(workload: LivingWorkload) -> FastAPI:
    app = FastAPI(title=workload.config.name, openapi_url=None)
    add_health(app, workload)

    @app.get("/metrics")
    @app.get("/stats/prometheus")
    async def _metrics() -> Response:
        return Response(await metrics(workload), media_type=CONTENT_TYPE)

    return app


def add_health(app: FastAPI, workload: LivingWorkload) -> None:
    """/healthz and /healthz/ready."""

    @app.get("/healthz")
    async def _healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/healthz/ready")
    async def _ready() -> Response:
        text = f"{workload.state}: {workload.reason}" if workload.reason else str(workload.state)
        return PlainTextResponse(f"{text}\n", status_code=200 if workload.state is State.READY else 503)


async def metrics(workload: LivingWorkload) -> str:
    """The agent's own and Envoy's, in Prometheus' text format; Envoy's are missing while it does not answer."""
    return own_metrics(workload) + await workload.metrics()


def own_metrics(workload: LivingWorkload) -> str:
    current = workload.identity.current
    lines = [
        "# HELP istio_agent_ready whether the workload is ready",
        "# TYPE istio_agent_ready gauge",
        f"istio_agent_ready {int(workload.state is State.READY)}",
    ]
    if current is not None:
        left = current.not_after.timestamp() - time.time()
        lines += [
            "# HELP istio_agent_cert_expiry_seconds time until the workload's certificate ends, in seconds",
            "# TYPE istio_agent_cert_expiry_seconds gauge",
            f'istio_agent_cert_expiry_seconds{{resource_name="default"}} {left:.0f}',
        ]
    return "\n".join(lines) + "\n"
