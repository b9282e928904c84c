"""docs/reference/mixer/templates: a page for each template, and their index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.template import Template, Variety
from helm.generate.mixer.attributes import MADE
from helm.generate.mixer.meanings import meanings

FOLDER = Path("docs/reference/mixer/templates")
WHEN = {
    Variety.CHECK: "A handler is asked before a request goes on, and may refuse it.",
    Variety.QUOTA: "A handler is asked how much of something may be used.",
    Variety.REPORT: "A handler is told afterwards, in batches.",
    Variety.ATTRIBUTE_GENERATOR: "A handler is asked before rules are looked at; what it gives becomes attributes.",
}
METHODS = {
    Variety.CHECK: "check",
    Variety.QUOTA: "quota",
    Variety.REPORT: "report",
    Variety.ATTRIBUTE_GENERATOR: "generate",
}


def template_pages() -> dict[Path, str]:
    pages = {FOLDER / f"{name}.md": _page(template) for name, template in TEMPLATES.items()}
    return {FOLDER / "README.md": _index(), **pages}


def takers(name: str) -> list[str]:
    """The adapters that take instances of a template."""
    return sorted(adapter for adapter, found in load_adapters().items() if name in found.templates)


def _index() -> str:
    lines = [
        MADE,
        "# Templates of instances\n",
        "What an instance of each template is made of, by `compiledTemplate`. Every field is an expression over",
        "[attributes](../attributes/README.md).\n",
        "| template | kind | adapters | about |",
        "|---|---|---|---|",
    ]
    for name, template in sorted(TEMPLATES.items()):
        about = meanings("templates")[name]["text"]
        lines.append(f"| [{name}]({name}.md) | {template.variety} | {', '.join(takers(name)) or 'none'} | {about} |")
    return "\n".join(lines) + "\n"


def _page(template: Template) -> str:
    meant = meanings("templates")[template.name]
    adapters = ", ".join(f"[{name}](../adapters/{name}.md)" for name in takers(template.name))
    parts = [
        MADE,
        f"# {template.name}\n\n{meant['text']}\n\n",
        f"Kind: {template.variety}. {WHEN[template.variety]}\n\n",
        f"Adapters: {adapters or 'none of Mixer; those of others may'}.\n\n",
        _fields(template, meant["fields"]),
        _outputs(template),
        f"```yaml\n{_sample(template, meant['params'])}```\n\n",
        _row(template),
    ]
    return "".join(parts).rstrip() + "\n"


def _fields(template: Template, meant: dict[str, str]) -> str:
    rows = [(name, str(kind) if kind else "any") for name, kind in template.fields.items()]
    rows += [(name, "map") for name in template.maps]
    if not rows:
        return "It has no fields.\n\n"
    lines = ["| field | type | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {meant[name]} |" for name, kind in rows]
    notes = "\nA field is an expression of its type, `any` takes every type, and a field that is left out is empty."
    if template.maps:
        notes += " A map holds expressions of any type, under names of your own."
    if any("_" in name for name, _ in rows):
        notes += " Names may be written with capitals, too (`monitoredResourceType`)."
    if any("." in name for name, _ in rows):
        notes += " A name with a dot is a field of a part: `subject: {user: ...}`."
    return "\n".join(lines) + f"\n{notes}\n\n"


def _outputs(template: Template) -> str:
    if not template.outputs:
        return ""
    rows = "".join(f"| `$out.{name}` | {kind} |\n" for name, kind in sorted(template.outputs.items()))
    return f"What its adapters give, for `attributeBindings`:\n\n| output | type |\n|---|---|\n{rows}\n"


def sample_of(template: Template, params: dict[str, Any]) -> dict[str, Any]:
    """An instance that works."""
    spec: dict[str, Any] = {"compiledTemplate": template.name}
    if params:
        spec["params"] = params
    if template.outputs:
        spec["attributeBindings"] = {"source.workload.name": '$out.source_workload_name | "unknown"'}
    name, namespace = f"my-{template.name}", "default"
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "config.istio.io/v1alpha2", "kind": "instance", "metadata": metadata, "spec": spec}


def _sample(template: Template, params: dict[str, Any]) -> str:
    return yaml.safe_dump(sample_of(template, params), sort_keys=False, width=120)


def _row(template: Template) -> str:
    """What a handler gets, for who writes an adapter."""
    values = [f"`{name}`" for name in (*template.fields, *template.maps)]
    method = METHODS[template.variety]
    if not values:
        return f"A handler gets empty rows, by its method `{method}`.\n"
    maps = " A map comes as a tuple of values; `instance.names` has their names, sorted." if template.maps else ""
    return f"A handler gets rows of ({', '.join(values)}), by its method `{method}`.{maps}\n"
