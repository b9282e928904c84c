"""All of docs/reference/mixer."""

from __future__ import annotations

from pathlib import Path

from helm.generate.mixer.adapters import adapter_pages
from helm.generate.mixer.attributes import attribute_pages
from helm.generate.mixer.templates import template_pages


def mixer_pages() -> dict[Path, str]:
    """Path -> text."""
    return {**adapter_pages(), **template_pages(), **attribute_pages()}
