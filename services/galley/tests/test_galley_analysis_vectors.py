"""Istio's own cases of analysis: the codes and objects of what is told must be the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.kinds import MESH_NETWORKS
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.reading import ResourceReader
from flotilla_galley.analysis.registry import RuleSet, chosen
from flotilla_galley.analysis.run import analyze
from flotilla_shared.model.kinds import MESH_CONFIG

TODAYS = "today/analysis/cases.jsonl"
OLD = "1.4/galley/analysis.jsonl"
BAR = 0.95
# Names that 1.4's vectors have otherwise than 1.4's documentation.
SPELT = {"virtualservice.DestionationRuleAnalyzer": "virtualservice.DestinationRuleAnalyzer"}
# Cases that differ, by id, and why. docs/reference/differences.md has them too.
DIFFERENT: dict[str, str] = {}
Found = Counter[tuple[str, str]]


def cases(vectors: Path, table: str) -> Iterator[dict[str, Any]]:
    with (vectors / table).open() as opened:
        yield from (json.loads(line) for line in opened)


def messages_of(case: dict[str, Any], folder: Path, files: list[str], rule_set: RuleSet) -> tuple[Message, ...]:
    """As the cases were made: objects that name no namespace have none."""
    reader = ResourceReader(namespace="")
    for name in files:
        reader.read(name, (folder / name).read_text())
    for collection, field in ((MESH_CONFIG, "meshConfig"), (MESH_NETWORKS, "meshNetworks")):
        if case.get(field):
            reader.read_mesh(collection, case[field], (folder / case[field]).read_text())
    name = SPELT.get(case["analyzer"], case["analyzer"])
    return analyze(with_ingress_gateway(reader.finished()), chosen(rule_set, [name])).messages


def compare(vectors: Path, table: str, rule_set: RuleSet) -> tuple[int, list[str]]:
    """How many ran, which is all, and the ids of those that differ; prints what."""
    folder = (vectors / table).parent if rule_set == "today" else vectors / "1.4" / "files"
    ran = 0
    differ = []
    for case in cases(vectors, table):
        ran += 1
        told = messages_of(case, folder, case["inputs"] if rule_set == "today" else case["files"], rule_set)
        found = Counter((each.code, origin(each, rule_set)) for each in told)
        wanted = Counter((each["code"], each["resource"]) for each in case["expected"])
        if found != wanted:
            differ.append(case["id"])
            print(f"{case['id']} ({case['analyzer']}): missing {sorted((wanted - found).elements())}")
            print(f"    too much {sorted((found - wanted).elements())}")
    print(f"{table}: {ran} ran, 0 skipped, {len(differ)} differ")
    return ran, differ


def origin(message: Message, rule_set: RuleSet) -> str:
    """1.4 wrote `Kind name.namespace`."""
    resource = message.resource
    if resource is None or rule_set == "today" or not resource.namespace:
        return message.origin
    return f"{resource.kind} {resource.name}.{resource.namespace}"


@pytest.mark.parametrize(("table", "rule_set"), [(TODAYS, "today"), (OLD, "1.4")])
def test_codes_and_objects_are_istios(vectors: Path, table: str, rule_set: RuleSet) -> None:
    ran, differ = compare(vectors, table, rule_set)
    assert ran > 0
    assert len(differ) <= ran * (1 - BAR)
    assert set(differ) <= DIFFERENT.keys()


def test_levels_are_istios(vectors: Path) -> None:
    wrong = []
    for case in cases(vectors, TODAYS):
        if case["id"] not in DIFFERENT:
            told = messages_of(case, vectors / "today" / "analysis", case["inputs"], "today")
            levels = {(each.code, each.origin): each.level.word for each in told}
            wanted = {(each["code"], each["resource"]): each["level"] for each in case["expected"]}
            wrong += [(case["id"], *pair) for pair in set(levels.items()) ^ set(wanted.items())]
    assert wrong == []
