"""Expressions against Istio 1.4: how they are read, and what its type checker said of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_shared.model.expressions import ExpressionError, ValueType, check, parse

TABLES = {"expressions": 200, "expressions_more": 300}  # with the fewest cases that a table must have

EARLY = "1.4's checker lets it pass and its compiler refuses it; here the checker says so, and Galley with it"
NAMELESS = "1.4 has no name for a shift; the error names it here"
DIFFERENT = {
    "mixer/expressions/417-d9937e12": EARLY,
    "mixer/expressions_more/c76a1e8d9d87": EARLY,
    "mixer/expressions_more/d30f19fd8eab": EARLY,
    "mixer/expressions_more/d6ea0432ce33": EARLY,
    "mixer/expressions_more/9d400ef63c3f": EARLY,
    "mixer/expressions_more/e745ee7d2f5a": EARLY,
    "mixer/expressions_more/1bb81aab75df": EARLY,
    "mixer/expressions_more/e4ef2c4b8a35": EARLY,
    "mixer/expressions_more/2d5dce98a6c4": EARLY,
    "mixer/expressions_more/d08c386ce3fc": NAMELESS,
}


def lines(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    return map(json.loads, (folder / "1.4" / "mixer" / f"{table}.jsonl").read_text().splitlines())


def normal_form(case: dict[str, Any]) -> str | None:
    """None for what is no expression."""
    try:
        return str(parse(case["expression"]))
    except ExpressionError:
        return None


def checked(case: dict[str, Any], sets: dict[str, dict[str, str]]) -> dict[str, str]:
    given = case.get("attributes", case.get("attribute_set"))
    attributes = {name: ValueType(kind) for name, kind in (sets[given] if isinstance(given, str) else given).items()}
    try:
        return {"type": check(parse(case["expression"]), attributes)}
    except ExpressionError as error:
        return {"error": error.text}


def agrees(case: dict[str, Any], sets: dict[str, dict[str, str]]) -> str:
    """What does not agree with 1.4, or nothing."""
    if "postfix" in case or "parse_error" in case:
        found = normal_form(case)
        if found != case.get("postfix"):
            return f"read as {found}"
    wanted, found_type = case["observed"]["checker"], checked(case, sets)
    if found_type.keys() != wanted.keys():
        return f"checked as {found_type}"
    is_unreadable = "parse" in wanted.get("error", "")  # there each speaks with its own parser's words
    return "" if is_unreadable or found_type == wanted else f"checked as {found_type}"


@pytest.mark.parametrize("table", TABLES)
def test_table(table: str, vectors: Path) -> None:
    sets = json.loads((vectors / "1.4" / "fixtures" / "attribute_sets.json").read_text())
    counts: Counter[str] = Counter()
    wrong = {}
    for case in lines(vectors, table):
        if case.get("custom_functions"):
            counts["skipped"] += 1
            continue
        counts["ran"] += 1
        difference = agrees(case, sets)
        counts["differ"] += bool(difference)
        if bool(difference) != (case["id"] in DIFFERENT):
            wrong[case["id"]] = (case["expression"], difference or "it does not differ any more: take it off the list")
    print(table, dict(counts))
    assert not wrong
    assert counts["ran"] >= TABLES[table]


def test_what_differs_is_in_the_tables(vectors: Path) -> None:
    known = {case["id"] for table in TABLES for case in lines(vectors, table)}
    assert DIFFERENT.keys() <= known
