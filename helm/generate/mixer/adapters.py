"""docs/reference/mixer/adapters: a page for each adapter of Mixer, and their index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.kit.catalogue import GROUP, load_adapters
from helm.generate.kinds.fields import heading, messages, type_of
from helm.generate.mixer.attributes import MADE

FOLDER = Path("docs/reference/mixer/adapters")
LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")


def own_adapters() -> dict[str, Adapter]:
    """Those of Mixer itself, whatever else is installed."""
    points = [point for point in entry_points(group=GROUP) if point.value.startswith("flotilla_mixer.")]
    return dict(sorted(load_adapters(points).items()))


def adapter_pages() -> dict[Path, str]:
    adapters = own_adapters()
    pages = {FOLDER / f"{name}.md": _page(adapter) for name, adapter in adapters.items()}
    return {FOLDER / "README.md": _index(adapters), **pages}


def metadata_of(adapter: Adapter) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((adapter.folder / "metadata.yaml").read_text())
    return found


def _index(adapters: dict[str, Adapter]) -> str:
    lines = [
        MADE,
        "# Adapters of Mixer\n",
        "A handler names one as `compiledAdapter`. Others may be installed beside them:",
        "[write an adapter](../../../how-to/write-an-adapter.md).\n",
        "| adapter | templates | backend | about |",
        "|---|---|---|---|",
    ]
    for name, adapter in adapters.items():
        metadata = metadata_of(adapter)
        about = f"{', '.join(metadata['templates'])} | {metadata['backend']} | {metadata['description']}"
        lines.append(f"| [{name}]({name}.md) | {about} |")
    return "\n".join(lines) + "\n"


def _page(adapter: Adapter) -> str:
    metadata = metadata_of(adapter)
    templates = ", ".join(f"[{name}](../templates/{name}.md)" for name in metadata["templates"])
    title, _, body = (adapter.folder / "README.md").read_text().partition("\n")
    facts = f"| | |\n|---|---|\n| templates | {templates} |\n| backend | {metadata['backend']} |\n"
    facts += f"| parameters | `{metadata['params']}` |\n"
    parts = [MADE, f"{title}\n\n{facts}{_moved(adapter, body).rstrip()}\n", *_types(adapter)]
    return "".join(parts)


def _moved(adapter: Adapter, body: str) -> str:
    """With links that lead to the same places from here."""
    folder = adapter.folder.as_posix()
    inside = folder[folder.index("services/mixer/") :]
    return LINK.sub(lambda found: f"](../../../../{inside}/{found[1]})", body)


def _types(adapter: Adapter) -> Iterator[str]:
    for place, descriptor in enumerate(messages(adapter.defaults().DESCRIPTOR).values()):
        if not descriptor.fields:
            continue
        yield f"\n## {'Types of the parameters' if place == 0 else heading(descriptor)}\n\n| field | type |\n|---|---|\n"
        yield "".join(f"| `{field.json_name}` | {type_of(field)} |\n" for field in descriptor.fields)
