"""The status port of a pod: what every workload has, and what the kubelet, Prometheus and the application ask here.

GET  /app-health/<container>/{livez,readyz,startupz}    the application's own probe, asked now
GET  /app-lifecycle/<container>/{prestopz,poststartz}    the same for its hooks
GET  /stats/prometheus, /metrics    the agent's, Envoy's and, last, the application's
POST /quitquitquit, /drain          from within the pod only
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from flotilla_agent.errors import AdminUnavailable
from flotilla_agent.pod.app_probes import Probe
from flotilla_agent.pod.prober import Prober
from flotilla_agent.pod.scrape import Scraper
from flotilla_agent.status.workload_app import add_health, metrics
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from flotilla_agent.status.living import LivingWorkload

WITHIN = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

_log = get_logger(__name__)


def pod_app(workload: LivingWorkload, probes: Mapping[str, Probe], prober: Prober, scraper: Scraper) -> FastAPI:
    app = FastAPI(title=workload.config.name, openapi_url=None)
    add_health(app, workload)

    @app.get("/metrics")
    @app.get("/stats/prometheus")
    async def _metrics() -> Response:
        # The application's come last: theirs may end with OpenMetrics' `# EOF`.
        own = await metrics(workload)
        return Response(own + scraper.metrics() + await scraper.read(), media_type=CONTENT_TYPE)

    @app.get("/app-health/{container}/{name}")
    @app.get("/app-lifecycle/{container}/{name}")
    async def _probe(request: Request) -> Response:
        probe = probes.get(request.url.path)
        if probe is None:
            return PlainTextResponse(f"injection left no probe for {request.url.path}\n", status_code=404)
        outcome = await prober.run(probe, request.headers)
        return PlainTextResponse(outcome.text, status_code=outcome.status)

    @app.post("/quitquitquit")
    async def _quit(request: Request) -> Response:
        if refusal := _from_outside(request):
            return refusal
        _log.info("asked to quit")
        os.kill(os.getpid(), signal.SIGTERM)
        return PlainTextResponse("ok\n")

    @app.post("/drain")
    async def _drain(request: Request) -> Response:
        if refusal := _from_outside(request):
            return refusal
        try:
            await workload.drain()
        except AdminUnavailable as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        return PlainTextResponse("draining\n")

    return app


def _from_outside(request: Request) -> Response | None:
    if request.client is not None and request.client.host in WITHIN:
        return None
    return PlainTextResponse("only from within the pod, at 127.0.0.1\n", status_code=403)
