"""`<service>.settings` of the values: the fields of the service's settings class that are not the chart's to decide."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flotilla_shared.runtime.settings import ServiceSettings

SERVICES = ("citadel", "galley", "pilot", "mixer")
# What the chart says itself, from global values, from the pod, or because its ports, volumes and rights go with it.
CHART = frozenset(
    {
        "platform",
        "kubeconfig",
        "pod_name",
        "pod_namespace",
        "revision",
        "root_namespace",
        "trust_domain",
        "service_account",
        "citadel_address",
        "galley_address",
        "root_cert_file",
        "token_file",
        "monitoring_port",
        "access_file",
        "last_good_dir",
        "config_dir",
        "mesh_config_file",
        "mesh_config_map",
        "admission_port",
        "admission_webhook_name",
        "mcp_port",
        "xds_port",
        "port",
        "mixer_port",
        "prometheus_port",
        "store_dir",
        "publish_root_file",
        "cluster_id",
        "injection_dir",
        "injection_port",
        "injection_webhook_name",
    }
)


def settings_class(service: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = getattr(
        import_module(f"flotilla_{service}.config"), f"{service.capitalize()}Settings"
    )
    return found


def settings_schema(service: str) -> dict[str, Any]:
    """JSON schema of `settings`: the service's own rules for each value, null for its default, and no other key."""
    whole = settings_class(service).model_json_schema()
    whole["properties"]["address"]["default"] = "0.0.0.0"  # noqa: S104  # what the chart gives
    properties = {
        name: simplified(field, whole.get("$defs", {}))
        for name, field in whole["properties"].items()
        if name not in CHART
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def simplified(schema: Any, definitions: dict[str, Any]) -> Any:
    """Without titles and references, and without formats, on which validators differ."""
    if isinstance(schema, list):
        return [simplified(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = named | {key: value for key, value in schema.items() if key != "$ref"}
    if schema.get("format") == "duration":
        return _duration(schema)
    return {
        key: {name: simplified(item, definitions) for name, item in value.items()}
        if key == "properties"
        else simplified(value, definitions)
        for key, value in schema.items()
        if key not in ("title", "format")
    }


def _duration(schema: dict[str, Any]) -> dict[str, Any]:
    """As Citadel reads it: 24h, 90d, 1h30m, or a number of seconds."""
    return {
        "description": schema.get("description", ""),
        "default": schema.get("default", ""),
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^(\d+[smhd])+$|^\d+$"}],
    }
