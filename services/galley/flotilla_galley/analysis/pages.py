"""docs/reference/analysis.md and a page for each code, made from the catalogue, the registry and the examples.

To write them: `python -m flotilla_galley.analysis.pages docs/reference`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.analyzers import schema_validation
from flotilla_galley.analysis.catalogue import MessageType, catalogue
from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.reading import read_resources
from flotilla_galley.analysis.registry import BY_RULE_SET, RuleSet
from flotilla_galley.analysis.run import analyze

INDEX = "analysis.md"
_SCHEMA = {each.name for each in schema_validation.ANALYZERS}
_ALL_SCHEMA = "schema.ValidationAnalyzer.<Kind>"
_NOTE = "<!-- Made from messages.yaml: python -m flotilla_galley.analysis.pages docs/reference -->"


def pages() -> dict[str, str]:
    """Path below docs/reference -> text."""
    found = {INDEX: _index()}
    for code, types in _by_code().items():
        found[f"analysis/{code}.md"] = _page(code, types)
    return found


def example(code: str) -> str:
    """Objects of which `code` is told, with the code as a comment where; "" where there are none."""
    file = files(__package__) / "examples" / f"{code}.yaml"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def told_of(code: str) -> list[Message]:
    """What is told of the example with its own code, by today's analyzers, or by 1.4's for what only 1.4 has."""
    rule_set: RuleSet = "1.4" if all(each.only_1_4 for each in _by_code()[code]) else "today"
    resources = with_ingress_gateway(read_resources([("example.yaml", example(code))]))
    return [each for each in analyze(resources, BY_RULE_SET[rule_set]).messages if each.code == code]


def tellers(type_name: str) -> list[str]:
    """The analyzers whose module names a type of message."""
    found = {each.name for analyzers in BY_RULE_SET.values() for each in analyzers if type_name in _words(each)}
    return sorted({_ALL_SCHEMA if name in _SCHEMA else name for name in found})


def _by_code() -> Mapping[str, list[MessageType]]:
    found: dict[str, list[MessageType]] = {}
    for each in catalogue().values():
        found.setdefault(each.code, []).append(each)
    return found


def _words(analyzer: Analyzer) -> frozenset[str]:
    functions: list[Any] = [*analyzer.each.values(), *([analyzer.whole] if analyzer.whole is not None else [])]
    return frozenset().union(*(_constants(each.__code__.co_filename) for each in functions))


@cache
def _constants(file: str) -> frozenset[str]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return frozenset(
        each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _page(code: str, types: Iterable[MessageType]) -> str:
    parts = [_NOTE]
    for each in types:
        head = f"{each.code}: {each.name.removesuffix('Of14')}"
        head = f"# {head}" if len(parts) == 1 else f"## In Istio 1.4: {head}"
        parts += [head, _told_by(each), f"> {each.text}", each.means]
        parts.append(f"**To mend it:** {each.mend}")
    return "\n\n".join([*parts, *_example(code), "[All codes](../analysis.md)"]) + "\n"


def _told_by(each: MessageType) -> str:
    if each.name == "InternalError":
        return f"{each.level.word}. Told of any analyzer."
    who = ", ".join(f"`{name}`" for name in tellers(each.name))
    return (
        f"{each.level.word}. Told by {who}."
        if who
        else f"{each.level.word}. No analyzer of `flotilla analyze` tells it. {each.untold}"
    )


def _example(code: str) -> Iterator[str]:
    if example(code):
        yield "## Example"
        yield f"```yaml\n{example(code)}```"
        said = "\n".join(
            f"{each.level.word} [{code}] ({each.origin} {each.reference}) {each.text}" for each in told_of(code)
        )
        yield f"```\n{said}\n```"


def _index() -> str:
    parts = [_NOTE, "# Codes of analysis", _INTRODUCTION, "| code | name | level | told by |\n|---|---|---|---|"]
    rows = []
    for each in catalogue().values():
        name = each.name.removesuffix("Of14") + (" (1.4)" if each.only_1_4 else "")
        who = ", ".join(f"`{teller}`" for teller in tellers(each.name))
        rows.append(f"| [{each.code}](analysis/{each.code}.md) | {name} | {each.level.word} | {who} |")
    table = parts.pop() + "\n" + "\n".join(rows)
    return "\n\n".join([*parts, table, "## Analyzers", _analyzers()]) + "\n"


def _analyzers() -> str:
    rows = {each.name: each for analyzers in reversed(BY_RULE_SET.values()) for each in analyzers}
    ages = {
        name: ", ".join(age for age, known in BY_RULE_SET.items() if name in {one.name for one in known})
        for name in rows
    }
    body = [
        f"| `{name}` | {each.description}{'' if each.by_default else '; only if named'} | {ages[name]} |"
        for name, each in sorted(rows.items())
        if name not in _SCHEMA
    ]
    body.append(
        f"| `{_ALL_SCHEMA}` | whether each object is valid by itself: one analyzer for each kind | today, 1.4 |"
    )
    return "| analyzer | looks | rule set |\n|---|---|---|\n" + "\n".join(body)


_INTRODUCTION = (
    "What [`flotilla analyze`](../how-to/analyze.md) tells. Codes, names and levels are those of Istio, so that tools that know "
    "them go on working; the words are our own. Each code has a page: what it means, an example, and what mends it."
)


def main(folder: Path) -> None:
    """Write all pages, and remove those of codes that there are no more."""
    made = pages()
    (folder / "analysis").mkdir(exist_ok=True)
    for old in (folder / "analysis").glob("*.md"):
        if f"analysis/{old.name}" not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
