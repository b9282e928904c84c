"""docs/reference/kinds: the pages and their index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from flotilla_galley.validation.of_1_4.rules import RULES_OF_1_4
from flotilla_galley.validation.validate import RULES
from flotilla_shared.model.kinds import WRITTEN, Kind
from helm.generate.crd_names import SHORT_NAMES
from helm.generate.kinds.code import function_of
from helm.generate.kinds.fields import heading, is_field, messages, table
from helm.generate.kinds.meanings import about
from helm.generate.kinds.told import told

FOLDER = Path("docs/reference/kinds")
MADE = "<!-- Made by `make docs` from the messages and the rules; do not edit. -->\n"
_LEGACY = "/legacy/"
# How many places of one sentence are named.
_PLACES = 6
READING = """
What Galley tells of an object, by field; `…` stands for what is written there. With an error the object is not distributed; what
a code means stands in [error codes](../../errors/README.md). Unknown fields, wrong types and empty items of lists are told of
every kind.
"""


def kind_pages() -> dict[Path, str]:
    """Path -> text."""
    described = [kind for kind in WRITTEN if _LEGACY not in kind.collection]
    legacy = [kind for kind in WRITTEN if _LEGACY in kind.collection]
    pages = {FOLDER / f"{kind.kind.lower()}.md": _page(kind) for kind in described}
    return {FOLDER / "README.md": _index(described), **pages, FOLDER / "legacy.md": _legacy(legacy)}


def _index(kinds: Iterable[Kind]) -> str:
    lines = [
        MADE,
        "# Kinds\n",
        "What Galley reads, validates and distributes. Fields are those of the messages; what proxies make of them stands in",
        "[networking features](../networking-features.md) and in [what differs](../differences.md).",
    ]
    for era, title in (("today", "Today's"), ("1.4", "Of Istio 1.4")):
        lines += [f"\n## {title}\n", "| kind | group | versions | about |", "|---|---|---|---|"]
        lines += [
            f"| [{kind.kind}]({kind.kind.lower()}.md) | {kind.group} | {', '.join(kind.versions)} | {about()[kind.kind]} |"
            for kind in kinds
            if kind.era == era
        ]
    lines.append("\nThe kinds of Istio 1.4 that stand for one template or adapter each have [one page](legacy.md).")
    return "\n".join(lines) + "\n"


def _page(kind: Kind) -> str:
    found = messages(kind.message_class().DESCRIPTOR)
    parts = [MADE, f"# {kind.kind}\n\n{about()[kind.kind]}\n\n", _facts(kind)]
    for place, descriptor in enumerate(found.values()):
        parts.append(f"\n## {'Fields of `spec`' if place == 0 else heading(descriptor)}\n\n{table(descriptor)}")
    if not found:
        parts.append("\n## Fields of `spec`\n\nAnything: it is kept as it is written.\n")
    parts.append(_rules(kind))
    return "".join(parts)


def _facts(kind: Kind) -> str:
    short = ", ".join(f"`{name}`" for name in SHORT_NAMES.get(kind.kind, ())) or "none"
    rows = {
        "apiVersion": ", ".join(f"`{version}`" for version in kind.api_versions)
        + (" (the first is stored)" if kind.versions[1:] else ""),
        "scope": "the cluster" if kind.cluster_scoped else "a namespace",
        "plural": f"`{kind.plural}.{kind.group}`",
        "short names": short,
        "collection": f"`{kind.collection}`",
        "rule set": "today's" + (", 1.4's on request" if kind.collection in RULES_OF_1_4 else "")
        if kind.era == "today"
        else "1.4's",
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())


def _rules(kind: Kind) -> str:
    parts = []
    if kind.collection in RULES:
        parts.append(f"\n## Rules\n{READING}\n" + _table(kind, RULES[kind.collection]))
    if kind.collection in RULES_OF_1_4:
        parts.append("\n## Rules of 1.4's rule set\n\n" + _table(kind, RULES_OF_1_4[kind.collection]))
    return "".join(parts)


def _table(kind: Kind, rules: Callable[..., None]) -> str:
    """Equal sentences in one row, with all places. Rules that kinds share speak of fields that one of them has not."""
    descriptor = kind.message_class().DESCRIPTOR
    places: dict[tuple[str, str, str], list[str]] = {}
    for each in (each for each in told(function_of(rules)) if is_field(descriptor, each.field)):
        places.setdefault((each.text, each.code, each.severity), []).append(each.field)
    lines = ["| what is told | code | where |", "|---|---|---|"]
    for (text, code, severity), named in places.items():
        fields = list(dict.fromkeys(named))
        shown = [f"`{name}`" for name in fields[:_PLACES]]
        more = f" and {len(fields) - _PLACES} more" if len(fields) > _PLACES else ""
        mark = " (warning)" if severity == "warning" else ""
        lines.append(f"| {_cell(text)} | [{code}](../../errors/{code}.md){mark} | {', '.join(shown)}{more} |")
    return "\n".join(lines) + "\n" if places else "None beside the form of its fields.\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _legacy(kinds: Iterable[Kind]) -> str:
    lines = [
        MADE,
        "# Kinds of one template or adapter\n",
        "Istio before 1.4 had a kind for each of Mixer's templates and adapters; 1.4 still read them. `spec` is that of",
        "[instance](instance.md)`.params` or [handler](handler.md)`.params`, whose fields stand in [templates]",
        "(../mixer/templates/README.md) and [adapters](../mixer/adapters/README.md). Mixer reads them as instances and handlers;",
        "a rule names `name.kind`.\n",
        "| kind | apiVersion | plural | collection |",
        "|---|---|---|---|",
    ]
    lines += [f"| {kind.kind} | `{kind.api_versions[0]}` | `{kind.plural}` | `{kind.collection}` |" for kind in kinds]
    return "\n".join(lines) + "\n"
