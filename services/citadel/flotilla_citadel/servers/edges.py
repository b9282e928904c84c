"""The HTTP ports: monitoring for everybody, introspection on loopback."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_citadel.config import CitadelSettings
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.introspection import Topic, introspection_app
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.monitoring import monitoring_app, version_info
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.settings import describe


def add_edges(
    lifecycle: Lifecycle,
    settings: CitadelSettings,
    metrics: ServiceMetrics,
    readiness: Readiness,
    topics: Mapping[str, Topic],
) -> None:
    """Add both to a lifecycle; they go first, so that people can see why the rest waits."""
    monitoring = monitoring_app(metrics, readiness, version_info())
    introspection = introspection_app(metrics.service, describe(settings), readiness, topics)
    lifecycle.add(HttpServer(monitoring, settings.address, settings.monitoring_port), "monitoring")
    lifecycle.add(HttpServer(introspection, settings.loopback_address, settings.introspection_port), "introspection")
