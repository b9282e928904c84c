"""values.yaml: every key with its default, under a line that says what it means."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel

from helm.generate.service_values import Umbrella
from helm.generate.settings import SERVICES
from helm.generate.values import Values

HEADER = """\
# The values of Flotilla's chart and their defaults. Made by `make charts` from helm/generate: change it there.
# docs/reference/chart-values.md lists them with the settings of each service.
"""
CHART_HEADER = "# Defaults are the umbrella chart's: see ../../values.yaml.\n"


def values_yaml() -> str:
    return HEADER + "\n" + "\n".join(_block(Umbrella(), depth=0))


def _block(model: Values, depth: int) -> list[str]:
    lines: list[str] = []
    indent = "  " * depth
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        lines.append(f"{indent}# {field.description}")
        key = field.alias or name
        if isinstance(value, BaseModel):
            lines.append(f"{indent}{key}:")
            lines += _block(value, depth + 1)
            if key in SERVICES:
                lines += [f"{indent}  # settings of the service itself, by their names", f"{indent}  settings: {{}}"]
        else:
            lines += [indent + line for line in _dump(key, value)]
        if depth == 0:
            lines.append("")
    return lines


def _dump(key: str, value: Any) -> list[str]:
    if value in ({}, []):
        return [f"{key}: {'[]' if isinstance(value, list) else '{}'}"]
    return yaml.safe_dump({key: value}, sort_keys=False, width=100).splitlines()
