"""Istio's own cases for the kinds whose rules are here; what differs is listed with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation import checks
from flotilla_galley.validation.validate import RULES, validate_object
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES, POLICIES, kind_of

PRIMITIVES = {
    "fqdn": checks.fqdn,
    "wildcard_domain": checks.wildcard_domain,
    "port": checks.port,
    "ip_address": checks.ip,
    "unix_address": checks.unix,
}
# Cases of 1.4 that today's rule set, which is the default here, decides otherwise.
TODAY = "today's rules are the default: "


def lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open() as opened:
        yield from (json.loads(line) for line in opened)


def tell(table: str, counts: Counter[str], different: Counter[str]) -> None:
    print(f"{table}: {counts['ran']} ran, {counts['skipped']} skipped, {sum(different.values())} differ")
    for reason, number in different.most_common():
        print(f"  {number} {reason}")


def test_primitives_of_1_4(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    wrong = []
    for case in lines(vectors / "1.4" / "galley" / "validation.jsonl"):
        rule = PRIMITIVES.get(case.get("rule", ""))
        if rule is None:
            counts["skipped"] += 1
            continue
        counts["ran"] += 1
        value = case["value"]
        if rule is checks.unix and isinstance(value, str):
            value = value.removeprefix("unix://")
        if (rule(value) == "") is not case["valid"]:
            wrong.append((case["id"], case["value"], case["valid"]))
    tell("1.4/galley/validation", counts, Counter())
    assert counts["ran"] > 10
    assert wrong == []


def reason_to_differ(kind: str, complaints: str, valid: bool, mine: str) -> str:
    """Why today's rules may decide a case of 1.4 otherwise, or "" where they may not."""
    if valid:
        for words, reason in STRICTER.items():
            if words in mine:
                return reason
        return ""
    for words, reason in MILDER.items():
        if words in complaints:
            return reason
    return ""


# What today refuses and 1.4 took: words of our sentence -> why.
STRICTER = {
    "is empty; fill or remove it": TODAY + "null list elements (VS12)",
    "is no wildcard in a selector": TODAY + "stars in selectors (P21)",
    "is outside of 1 to 65535": TODAY + "ports (P1)",
    "is none of": "a number that stands for no word is told, where 1.4 took it",
    "None stands where a mapping": "an attribute without a value is told, where 1.4 dropped it",
}
# What today takes and 1.4 refused: words of 1.4's complaint -> why.
MILDER = {
    "must have at least one host": TODAY + "no hosts is a delegate (VS1)",
    "list of attributes is nil/empty": "1.4 asked this of the spec once a pattern, and never of patterns (MX2)",
    "total destination weight": TODAY + "weights need not add up to 100 (HR10)",
    "is not in range 0..100": TODAY + "weights may be above 100 (HR10)",
    "endpoints must be provided": TODAY + "STATIC without endpoints (SE5)",
    "default endpoint must be set": TODAY + "a Sidecar ingress without defaultEndpoint (SC3)",
    "sidecar: missing egress": TODAY + "a Sidecar without egress (SC1)",
    "Envoy filter: missing filter": TODAY + "filters of before 1.3 are not read, which is a warning (EF3)",
    "Envoy filter: bad StructValue": TODAY + "`config` is a field that Envoy has no longer, which is a warning (EF8)",
    "workloadSelector cannot have empty labels": TODAY + "a selector without labels selects all (P21)",
}


def test_objects_of_1_4(vectors: Path) -> None:
    """Today's rules decide; a case of 1.4 that they decide otherwise must have its reason in the tables above."""
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    unexplained = []
    for case in lines(vectors / "1.4" / "galley" / "validation_objects.jsonl"):
        kind = kind_of(case["object"].get("apiVersion", ""), case["object"].get("kind", ""))
        if kind is None or kind.collection not in RULES or kind.collection in (AUTHORIZATION_POLICIES, POLICIES):
            counts["skipped"] += 1
            continue
        counts["ran"] += 1
        valid, mine = judge(case["object"])
        wanted = case["outcome"] == "valid"
        if valid == wanted:
            continue
        reason = reason_to_differ(kind.kind, json.dumps(case.get("errors", "")) + case.get("error", ""), wanted, mine)
        different[reason] += 1
        if not reason:
            unexplained.append((case["id"], case["name"], case["change"], case["outcome"], case.get("errors"), mine))
    tell("1.4/galley/validation_objects", counts, different)
    assert counts["ran"] > 300
    assert unexplained == []


def judge(written: dict[str, Any]) -> tuple[bool, str]:
    """Whether an object is taken, and all errors in one text. Goes the way of a file: dumped and read as YAML."""
    found, problems = read_objects("case", yaml.safe_dump(written))
    if not found:
        return False, "; ".join(problem.text for problem in problems)
    verdict = validate_object(found[0])
    return verdict.item is not None, "; ".join(p.text for p in verdict.problems if p.severity == "error")


@pytest.mark.parametrize("kind", ["VirtualService", "DestinationRule", "Sidecar"])
def test_the_sample_files_of_1_4(vectors: Path, kind: str) -> None:
    for verdict in ("valid", "invalid"):
        file = vectors / "1.4" / "files" / "validation" / f"networking-v1alpha3-{kind}-{verdict}.yaml"
        if not file.is_file():
            continue
        found, _ = read_objects(file.name, file.read_text())
        outcomes = [validate_object(each).item is not None for each in found]
        # An invalid sample that today takes is 1.4's alone; a valid one must stay valid.
        if verdict == "valid":
            assert all(outcomes), file.name


def test_every_sample_of_1_4_is_read(vectors: Path) -> None:
    """Istio's own samples: every object is of a known kind, and those whose rules are here are right."""
    read, refused = 0, []
    for file in sorted((vectors / "1.4" / "files" / "samples").rglob("*.yaml")):
        found, _ = read_objects(file.name, file.read_text())
        for source in found:
            read += 1
            verdict = validate_object(source)
            if verdict.item is None and source.key.collection in RULES:
                refused.append((file.name, source.key.name, [p.text for p in verdict.problems]))
    print(f"1.4/files/samples: {read} objects")
    assert read > 20
    assert refused == []
