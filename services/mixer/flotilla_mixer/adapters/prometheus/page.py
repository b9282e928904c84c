"""The page that Prometheus scrapes: port 42422, as 1.4's istio-telemetry had it."""

from __future__ import annotations

import prometheus_client
from fastapi import FastAPI
from fastapi.responses import Response

from flotilla_mixer.adapters.prometheus.families import FamilyStore


def render(store: FamilyStore) -> bytes:
    """The text format. A metric has exactly the name that its configuration gives it."""
    text = prometheus_client.generate_latest(store.registry)
    for name in store.bare_counters():
        text = text.replace(f"{name}_total".encode(), name.encode())
    return text


def metrics_app(store: FamilyStore) -> FastAPI:
    """`GET /metrics`."""
    app = FastAPI(title="mixer's prometheus handler", openapi_url=None)

    @app.get("/metrics")
    async def _metrics() -> Response:
        return Response(render(store), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return app
