"""values.schema.json of each chart."""

from __future__ import annotations

from typing import Any

from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from helm.generate.service_values import Umbrella
from helm.generate.settings import SERVICES, settings_schema, simplified
from helm.generate.values import Values

DRAFT = "http://json-schema.org/draft-07/schema#"
CHARTS = (*SERVICES, "gateway")


def model_schema(model: type[Values]) -> dict[str, Any]:
    whole = model.model_json_schema(by_alias=True)
    found: dict[str, Any] = simplified({k: v for k, v in whole.items() if k != "$defs"}, whole.get("$defs", {}))
    return found


def chart_model(chart: str) -> type[Values]:
    model = Umbrella.model_fields[chart].annotation
    assert model is not None
    return model


def chart_schema(chart: str) -> dict[str, Any]:
    """Of a subchart: its own values, `settings` if it is a service, and what it sees of the umbrella's."""
    schema = model_schema(chart_model(chart))
    properties = dict(schema["properties"])
    if chart in SERVICES:
        described = f"settings of {chart.capitalize()} itself, by their names"
        properties["settings"] = {"description": described, "default": {}} | settings_schema(chart)
    properties["global"] = {"type": "object"}
    return {"$schema": DRAFT, "type": "object", "additionalProperties": False, "properties": properties}


def umbrella_schema() -> dict[str, Any]:
    """Of the umbrella: each chart's part is judged by that chart's own schema."""
    schema = model_schema(Umbrella)
    properties = dict(schema["properties"])
    for chart in CHARTS:
        properties[chart] = {"type": "object", "description": properties[chart]["description"]}
    properties["meshConfig"] = mesh_schema(properties["meshConfig"])
    return {"$schema": DRAFT, "type": "object", "additionalProperties": False, "properties": properties}


def mesh_schema(declared: dict[str, Any]) -> dict[str, Any]:
    """The keys are the message's; their values are for Galley to judge."""
    names = sorted({field.json_name for field in MeshConfig.DESCRIPTOR.fields})
    return {
        "type": "object",
        "description": declared["description"],
        "additionalProperties": False,
        "properties": {name: {} for name in names},
    }
