"""CEL, and CEXL with CEL's meaning, as Istio 1.4 evaluated them: results, failures, and what answers rest on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.expressions.functions import timestamp
from flotilla_mixer.expressions.languages import Language, read
from flotilla_shared.model.expressions import Duration, ExpressionError, ValueType

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
TEXTS = frozenset(("STRING", "URI", "DNS_NAME", "EMAIL_ADDRESS"))
# Where this Mixer differs, and why.
PARENTHESES = "in CEXL a method of an element needs parentheses around the element, in COMPAT as well"
DIFFERENT = {
    "mixer/expressions_more/3585ef4b12f0": PARENTHESES,
    "mixer/expressions_more/7811ed9e4949": PARENTHESES,
}


def cases(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def value_of(typed: dict[str, Any]) -> object:
    kind, value = typed["type"], typed.get("value")
    match kind:
        case "IP_ADDRESS" | "BYTES":
            return bytes.fromhex(typed.get("hex", value))
        case "DURATION":
            return Duration(value)
        case "TIMESTAMP":
            return timestamp(value)
        case "DOUBLE":
            return float(value)
    return value


def vocabulary_of(case: dict[str, Any]) -> dict[str, ValueType]:
    sets = json.loads((VECTORS / "fixtures" / "attribute_sets.json").read_text())
    given = case.get("attributes", case.get("attribute_set"))
    found = given if isinstance(given, dict) else sets[given]
    return {name: ValueType(kind) for name, kind in found.items()}


def evaluated(case: dict[str, Any], language: Language) -> tuple[str, Any, set[str]]:
    """compile_error, error or result; the text or value; and what was asked: `x`, `-x`, `m[k]`, `-m[k]`."""
    given = {name: value_of(typed) for name, typed in (case.get("input") or {}).items()}
    bag = RequestBag(encode(given, global_dictionary(), 0), global_dictionary())
    try:
        expression, _ = read(case["expression"], vocabulary_of(case), language)
        function = compile_expression(expression, vocabulary_of(case))
    except ExpressionError as error:
        return "compile_error", str(error), set()
    try:
        found: Any = function(bag)
    except EvaluationError as error:
        return "error", str(error), asked(bag)
    return "result", dict(found) if isinstance(found, Mapping) else found, asked(bag)


def asked(bag: RequestBag) -> set[str]:
    return {f"{'' if there else '-'}{name}{f'[{key}]' if key else ''}" for (name, key), there in bag.asked.items()}


def on_the_wire(trace: list[str]) -> set[str]:
    """A trace of 1.4's tests, without the maps that were there: the wire names their keys alone."""
    opened = {each.lstrip("-").partition("[")[0] for each in trace if "[" in each}
    return {each for each in trace if each not in opened}


def same(found: object, typed: dict[str, Any]) -> bool:
    wanted = value_of(typed)
    if typed["type"] in TEXTS:
        return isinstance(found, str) and found == wanted
    return found == wanted and isinstance(found, bool) is isinstance(wanted, bool)


def compared(case: dict[str, Any]) -> bool:
    """Whether a case of CEL comes out as in 1.4."""
    how, found, references = evaluated(case, Language.CEL)
    expected = case["expected"]
    if "compile_error_contains" in expected:
        return how == "compile_error" and expected["compile_error_contains"] in found
    if "error_contains" in expected:
        right = how == "error" and expected["error_contains"] in found
    else:
        right = how == "result" and same(found, expected["result"])
    return right and references == on_the_wire(case.get("referenced_trace", []))


def on_this_list(case: dict[str, Any], name: str) -> bool:
    return name == "COMPAT" and case["id"] in DIFFERENT


def compared_in(case: dict[str, Any], name: str) -> bool:
    """Whether a case comes out as 1.4 was observed to answer in this mode."""
    how, found, references = evaluated(case, Language(name))
    wanted = case["observed"][name]
    if "compile_error" in wanted:
        return how == "compile_error"
    if "error" in wanted:
        return how == "error"
    said = {
        f"{'-' if each['condition'] == 'ABSENCE' else ''}{each['name']}{'[' + each['map_key'] + ']' if each.get('map_key') else ''}"
        for each in wanted.get("referenced", ())
    }
    return how == "result" and same(found, wanted["result"]) and ("not_wire" in wanted or references == said)


def observed(name: str) -> Iterator[dict[str, Any]]:
    for table in ("expressions", "expressions_more"):
        for case in cases(table):
            if name in case["observed"] and not case.get("custom_functions"):
                yield case


@pytest.mark.parametrize("case", [pytest.param(each, id=each["id"]) for each in cases("expressions_cel")])
def test_cel(case: dict[str, Any]) -> None:
    assert compared(case) is (case["id"] not in DIFFERENT), evaluated(case, Language.CEL)


@pytest.mark.parametrize("name", ["COMPAT", "CEL"])
@pytest.mark.parametrize("part", range(8))
def test_observed(name: str, part: int) -> None:
    every = [case for case in observed(name) if int(case["id"][-1], 16) % 8 == part]
    wrong = [case["id"] for case in every if compared_in(case, name) is on_this_list(case, name)]
    assert wrong == []


def test_every_table_is_there() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    tables = {"expressions_cel": cases("expressions_cel")} | {
        f"{name} of expressions": list(observed(name)) for name in ("COMPAT", "CEL")
    }
    for name, found in tables.items():
        differ = [each["id"] for each in found if each["id"] in DIFFERENT]
        print(f"{name}: {len(found)} ran, 0 skipped, {len(differ)} differ")
        assert len(differ) <= 0.03 * len(found)
    assert [len(found) for found in tables.values()] >= [39, 600, 25]
    for name, why in DIFFERENT.items():
        print(f"  {name}: {why}")
