"""Every expression of the vectors: what it evaluates to, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.expressions.functions import timestamp
from flotilla_shared.model.expressions import Duration, ExpressionError, ValueType

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", "../shared/vectors")) / "1.4"
TABLES = ("expressions", "expressions_more")

# Texts in which a library speaks.
QUOTED = ("error parsing regexp", "error converting")
# Where we differ on purpose, and why.
DIFFERENT: dict[str, str] = {}


def cases(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def value_of(typed: dict[str, Any]) -> object:
    kind, value = typed["type"], typed.get("value")
    if kind in ("IP_ADDRESS", "BYTES"):
        return bytes.fromhex(typed.get("hex", value))
    if kind == "DURATION":
        return Duration(value)
    if kind == "TIMESTAMP":
        return timestamp(value)
    if kind == "DOUBLE":
        return float(value)
    return value


def vocabulary_of(case: dict[str, Any]) -> dict[str, ValueType]:
    sets = json.loads((VECTORS / "fixtures" / "attribute_sets.json").read_text())
    given = case.get("attributes", case.get("attribute_set"))
    found = given if isinstance(given, dict) else sets[given]
    return {name: ValueType(kind) for name, kind in found.items()}


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What this implementation makes of a case."""
    bag = {name: value_of(typed) for name, typed in (case.get("input") or {}).items()}
    try:
        function = compile_expression(case["expression"], vocabulary_of(case))
    except ExpressionError as error:
        return {"compile_error": str(error)}
    try:
        return {"result": function(bag)}
    except EvaluationError as error:
        return {"error": str(error)}


def wanted(case: dict[str, Any]) -> dict[str, Any]:
    found = case.get("expected") or case["observed"]["CEXL"]
    if "compile_error" in found:
        return {"compile_error": found["compile_error"]}
    if "error_prefix" in found or "error" in found:
        return {"error": found.get("error_prefix", found.get("error"))}
    return {"result": value_of(found["result"])}


def all_cases() -> Iterator[Any]:
    for table in TABLES:
        for case in cases(table):
            yield pytest.param(case, id=case["id"])


@pytest.mark.parametrize("case", list(all_cases()))
def test_vector(case):
    if case.get("custom_functions"):
        pytest.skip("a function that the case adds to the language")
    found, expected = outcome(case), wanted(case)
    if case["id"] in DIFFERENT:
        assert list(found) != list(expected), "it does not differ any more: take it off the list"
        return
    assert list(found) == list(expected), (found, expected)
    if "result" in expected:
        assert found["result"] == expected["result"]
        if not isinstance(expected["result"], dict):
            assert type(found["result"]) is type(expected["result"])
    if "error" in expected and not expected["error"].startswith(QUOTED):
        assert found["error"].startswith(expected["error"])


def test_every_table_is_there():
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    known = set()
    for table in TABLES:
        found = {case["id"]: bool(case.get("custom_functions")) for case in cases(table)}
        skipped, differ = sum(found.values()), len(DIFFERENT.keys() & found.keys())
        print(f"{table}: {len(found) - skipped} ran, {skipped} skipped, {differ} differ")
        assert len(found) - skipped > 200
        known |= found.keys()
    assert DIFFERENT.keys() <= known
