"""docs/reference/mixer/attributes: a page for each attribute, and their index."""

from __future__ import annotations

from pathlib import Path

from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_shared.model.expressions import VOCABULARY
from helm.generate.mixer.meanings import meanings
from helm.generate.mixer.samples import known

FOLDER = Path("docs/reference/mixer/attributes")
MADE = "<!-- Made by `make docs` from the code; do not edit. -->\n"
PLACES = ("HTTP Check", "TCP Check", "HTTP report", "TCP report", "rate limit")
NOWHERE = "Envoy does not tell it; clients of the native API may."
GROUPS = {
    "api": "The API that is called.",
    "check": "What Mixer had said before a report.",
    "connection": "A TCP connection, or that of a request.",
    "context": "Who tells, of what, and when.",
    "destination": "Who is called. Of the two ends of a call only what certificates and addresses prove is believed.",
    "origin": "Who began, before any proxy.",
    "quota": "What quotas had said before a report.",
    "ratelimit": "What a proxy's rate limit filter asks about.",
    "rbac": "What a policy that is only tried would have done.",
    "request": "The request of an HTTP call.",
    "response": "Its answer.",
    "source": "Who calls. Of the two ends of a call only what certificates and addresses prove is believed.",
}
WITHOUT = {"STRING": '"unknown"', "INT64": "0", "DURATION": '"0ms"', "BOOL": "false", "IP_ADDRESS": 'ip("0.0.0.0")'}


def attribute_pages() -> dict[Path, str]:
    pages = {FOLDER / f"{name}.md": _page(name) for name in VOCABULARY}
    return {FOLDER / "README.md": _index(), **pages}


def _index() -> str:
    lines = [
        MADE,
        "# Attributes\n",
        "What rules and instances can ask of a call; attribute manifests may declare more. `a | b` gives `b` where `a` is not",
        "there: a match that meets a missing attribute does not hold, an instance cannot be made. How they come to Mixer is",
        "told in [how a request is decided and reported](../../../explanation/a-request.md); the last columns say",
        "which of Envoy's messages bring them.",
    ]
    for group in sorted({name.partition(".")[0] for name in VOCABULARY}):
        lines += [f"\n## {group}\n", f"{GROUPS[group]}\n", f"| attribute | type | {' | '.join(PLACES)} |"]
        lines.append("|---|---|" + "---|" * len(PLACES))
        lines += [_row(name) for name in sorted(VOCABULARY) if name.partition(".")[0] == group]
    return "\n".join(lines) + "\n"


def _row(name: str) -> str:
    marks = ["yes" if place in known().get(name, ()) else "" for place in PLACES]
    return f"| [`{name}`]({name}.md) | {VOCABULARY[name]} |{'|'.join(f' {mark} ' if mark else ' ' for mark in marks)}|"


def _page(name: str) -> str:
    kind, meant = VOCABULARY[name], meanings("attributes")[name]
    places = [place for place in PLACES if place in known().get(name, ())]
    rows = {"type": str(kind), "such as": f"`{meant['example']}`", "known in": ", ".join(places) or NOWHERE}
    users = [f"[{template}](../templates/{template}.md)" for template in sorted(TEMPLATES) if _uses(template, name)]
    if users:
        rows["used in the examples of"] = ", ".join(users)
    parts = [MADE, f"# {name}\n\n{meant['text']}\n\n| | |\n|---|---|\n"]
    parts += [f"| {key} | {text} |\n" for key, text in rows.items()]
    parts.append(f"\n{_how(name, str(kind))}")
    return "".join(parts)


def _uses(template: str, name: str) -> bool:
    words = str(meanings("templates")[template]["params"]).replace("[", " ").replace("'", " ").split()
    return name in words


def _how(name: str, kind: str) -> str:
    if kind == "STRING_MAP":
        return f'One key is read by `{name}["key"]`, with a value for where it is missing: `{name}["key"] | "none"`.\n'
    if kind == "TIMESTAMP":
        return f"Where it may be missing, take another time: `{name} | context.time`.\n"
    return f"With a value for where it is missing: `{name} | {WITHOUT[kind]}`.\n"
