"""Telemetries that trace to a provider which is on its way out."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import MESH_CONFIG, TELEMETRIES


def look(telemetry: Resource, view: View) -> Iterator[Message]:
    providers = view.mesh_config.extension_providers
    deprecated = {each.name for each in providers if each.WhichOneof("provider") == "lightstep"}
    for index, tracing in enumerate(telemetry.spec.tracing):
        for place, provider in enumerate(tracing.providers):
            if provider.name in deprecated:
                field = f"spec.tracing[{index}].providers[{place}]"
                detail = f"{provider.name} is a provider of type lightstep; use one of type opentelemetry"
                yield tell("Deprecated", telemetry, field, detail=detail)


ANALYZER = Analyzer(
    "telemetry.LightstepAnalyzer",
    "whether a provider of type lightstep is used",
    (TELEMETRIES, MESH_CONFIG),
    {TELEMETRIES: look},
)
