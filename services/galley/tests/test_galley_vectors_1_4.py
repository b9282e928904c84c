"""Objects as Istio 1.4 judges them, by its rule set: the verdict must be equal, or the difference have its reason here."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.offline.judge import judge
from flotilla_galley.sources.documents import kind_by_name, objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_galley.validation.validate import RuleSet, Verdict, validate_object
from flotilla_shared.model.objects import Problem
from flotilla_shared.testing.verdicts import Table, lines

# id -> why our verdict is another.
DIFFERENT: dict[str, str] = {}
# What today's rule set refuses and 1.4 took: words of our sentence -> why.
STRICTER = {
    "is empty; fill or remove it": "null list elements (VS12)",
    "is no wildcard in a selector": "stars in selectors (P21)",
    "is outside of 1 to 65535": "ports (P1)",
    "is none of": "a number that stands for no word is told, where 1.4 took it",
    "nothing stands where a mapping": "an attribute without a value is told, where 1.4 dropped it",
    "it is empty; name": "a source or an operation that says nothing (AP8)",
    "the value is empty": "empty values (AP8)",
    "leave the item out": "an item of from or to without source or operation (AP8)",
    "is neither an IP address nor a network": "addresses of callers (AP9)",
}


def verdict(written: dict[str, Any], ruleset: RuleSet | None, namespace: str | None = None) -> tuple[bool, str]:
    """Whether an object is taken, and what is wrong with it. `namespace`: the one to judge it in."""
    found, problems = objects_of("case", YamlDocument(written, 1), kind_by_name)
    if not found:
        return False, said(problems)
    (source,) = found
    if namespace is not None:
        source = replace(source, key=replace(source.key, namespace=namespace))
    judged: Verdict = validate_object(source, ruleset)
    return judged.item is not None, said(judged.problems)


def said(problems: list[Problem] | tuple[Problem, ...]) -> str:
    return "; ".join(f"{each.field}: {each.text}" for each in problems if each.severity == "error")


def test_objects_of_1_4(vectors: Path) -> None:
    """Each is judged in the namespace that it names; in none, a Policy is the mesh's, as it was for 1.4's function."""
    table = Table("1.4/galley/validation_objects", DIFFERENT)
    for case in lines(vectors / "1.4" / "galley" / "validation_objects.jsonl"):
        written = case["object"]
        valid, mine = verdict(written, "1.4", written["metadata"].get("namespace", ""))
        table.compare(case["id"], case["outcome"] == "valid", valid, f"{case['change']} {case.get('errors')} / {mine}")
    table.tell()
    assert table.ran > 1000
    assert table.unexplained == []
    assert table.share >= 0.99


def test_what_1_4_took_is_taken_today_too_but_for_reasons(vectors: Path) -> None:
    reasons: Counter[str] = Counter()
    unexplained = []
    for case in lines(vectors / "1.4" / "galley" / "validation_objects.jsonl"):
        if case["outcome"] != "valid":
            continue
        valid, mine = verdict(case["object"], None)
        reason = "" if valid else next((why for words, why in STRICTER.items() if words in mine), "")
        if not valid and not reason:
            unexplained.append((case["id"], case["name"], case["change"], mine))
        reasons[reason] += 1
    for reason, number in reasons.most_common():
        print(f"1.4/galley/validation_objects, today: {number} {reason or 'taken'}")
    assert unexplained == []
    assert reasons[""] > 0.95 * reasons.total()


def test_files_of_1_4(vectors: Path) -> None:
    """The verdict stands in the file's name."""
    wrong = []
    files = sorted((vectors / "1.4" / "files" / "validation").glob("*.yaml"))
    for file in files:
        judged = list(judge(file.name, file.read_text(), "1.4"))
        if all(each.valid for each in judged) is not file.stem.endswith("-valid"):
            wrong.append((file.name, judged))
    print(f"1.4/files/validation: {len(files)} files, {len(wrong)} differ")
    assert len(files) >= 30
    assert wrong == []


@pytest.mark.parametrize("ruleset", [None, "today", "1.4"])
def test_samples_of_1_4(vectors: Path, ruleset: RuleSet | None) -> None:
    """Objects of Istio are right by every rule set; other tools' are no business of ours."""
    read, wrong = 0, []
    for file in sorted((vectors / "1.4" / "files" / "samples").rglob("*.yaml")):
        for each in judge(file.name, file.read_text(), ruleset):
            if any(error.code in ("unknown-kind", "no-api-version") for error in each.errors):
                continue
            read += 1
            if not each.valid:
                wrong.append((file.name, each.kind, each.name, [error.message for error in each.errors]))
    print(f"1.4/files/samples, rule set {ruleset}: {read} objects")
    assert read > 100
    assert wrong == []
