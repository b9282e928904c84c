"""docs/reference/chart-values.md: every value, and every setting of a service, with default and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from helm.generate.service_values import Umbrella
from helm.generate.settings import SERVICES, settings_schema

HEADER = """\
# Values of the chart

Made by `make charts` from `helm/generate`. A key that is not here is refused by helm, with the place where it stands.

"""
SECTIONS = {
    "global": "What all parts share.",
    "meshConfig": "The mesh configuration, ConfigMap `istio`.",
    "citadel": "Citadel.",
    "galley": "Galley.",
    "pilot": "Pilot, and injection.",
    "mixer": "Mixer, and the standard metrics.",
    "gateway": "The ingress gateway.",
    "tests": "`helm test`.",
}


def reference() -> str:
    values = Umbrella()
    parts = [HEADER]
    for name, field in type(values).model_fields.items():
        key = field.alias or name
        parts.append(f"## {key}\n\n{SECTIONS[key]}\n\n{TABLE}")
        value = getattr(values, name)
        rows = _rows(key, value) if isinstance(value, BaseModel) else [(key, value, field.description or "")]
        parts += [_row(*row) for row in rows]
        parts.append("\n")
        if key in SERVICES:
            parts.append(_settings(key))
    return "".join(parts).rstrip() + "\n"


TABLE = "| value | default | meaning |\n|---|---|---|\n"


def _rows(prefix: str, model: BaseModel) -> Iterator[tuple[str, Any, str]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _rows(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", value, field.description or ""


def _row(name: str, default: Any, meaning: str) -> str:
    shown = default if isinstance(default, str) else json.dumps(default, separators=(", ", ": "))
    return f"| `{name}` | {f'`{shown}`' if shown else ''} | {meaning} |\n".replace(" | ", " | ")


def _settings(service: str) -> str:
    properties = settings_schema(service)["properties"]
    variable = f"FLOTILLA_{service.upper()}_"
    intro = (
        f"### {service}.settings\n\nSettings of {service.capitalize()} itself; each becomes the variable "
        f"`{variable}<NAME>` of its pods. What the chart decides (ports, names, addresses, files) is not among them.\n\n"
    )
    rows = [
        _row(f"{service}.settings.{name}", field.get("default", ""), field.get("description", ""))
        for name, field in properties.items()
    ]
    return intro + TABLE + "".join(rows) + "\n"
