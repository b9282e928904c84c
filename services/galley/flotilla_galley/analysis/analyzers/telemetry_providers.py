"""Access logs that nobody takes."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import MESH_CONFIG, TELEMETRIES


def look(telemetry: Resource, view: View) -> Iterator[Message]:
    if view.mesh_config.default_providers.access_logging:
        return
    for index, logging in enumerate(telemetry.spec.access_logging):
        if not logging.providers:
            field = f"spec.accessLogging[{index}]"
            name, namespace = telemetry.name, telemetry.namespace
            yield tell("InvalidTelemetryProvider", telemetry, field, name=name, namespace=namespace)


ANALYZER = Analyzer(
    "telemetry.ProviderAnalyzer",
    "whether somebody takes what a Telemetry tells to log",
    (TELEMETRIES, MESH_CONFIG),
    {TELEMETRIES: look},
)
