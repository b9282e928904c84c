"""What can be asked without a Mixer: expressions by hand, and every case of the vectors with what it looked at."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.offline.attributes import AttributeTextError, read_attributes
from flotilla_mixer.offline.evaluate import evaluate, evaluate_case
from flotilla_shared.model.expressions import VOCABULARY, Duration, Timestamp

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"


def rows(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


TABLES = ("expressions", "expressions_more")


@pytest.mark.parametrize("table", TABLES)
def test_every_case_looks_at_the_same_attributes(table: str) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    sets = json.loads((VECTORS / "fixtures" / "attribute_sets.json").read_text())
    ran = skipped = 0
    wrong = {}
    for case in rows(table):
        if case.get("custom_functions"):
            skipped += 1
            continue
        ran += 1
        found, wanted = evaluate_case(case, sets), case["observed"]["CEXL"]
        if shown(found) != shown(wanted):
            wrong[case["id"]] = (case["expression"], shown(found), shown(wanted))
    print(f"{table}, with what is referenced: {ran} ran, {skipped} skipped")
    assert ran > 200
    assert wrong == {}


def shown(outcome: dict[str, Any]) -> Any:
    """Which of the outcomes, type, value and what was looked at; texts of errors are for readers."""
    kind = next((name for name in ("compile_error", "error", "result") if name in outcome), None)
    value = outcome.get("result")
    if isinstance(value, dict) and value["type"] == "DOUBLE":
        value = str(float(value["value"]))
    elif isinstance(value, dict):
        value = (value["type"], value.get("hex", json.dumps(value.get("value"), sort_keys=True)))
    looked = {(each["name"], each.get("map_key", ""), each["condition"]) for each in outcome.get("referenced") or ()}
    return kind, outcome.get("type"), value, looked


BY_HAND = [
    ('request.path | "/"', [], {"type": "STRING", "result": {"type": "STRING", "value": "/"}}),
    ("request.size + 1", ["request.size=2"], {"type": "INT64", "result": {"type": "INT64", "value": 3}}),
    ("request.size", [], {"type": "INT64", "error": "lookup failed: 'request.size'"}),
    (
        'source.ip == ip("10.0.0.1")',
        ["source.ip=10.0.0.1"],
        {"type": "BOOL", "result": {"type": "BOOL", "value": True}},
    ),
    (
        "source.ip",
        ["source.ip=0a:00:00:01"],
        {"type": "IP_ADDRESS", "result": {"type": "IP_ADDRESS", "hex": "0a000001", "value": "10.0.0.1"}},
    ),
]


@pytest.mark.parametrize(("text", "attributes", "expected"), BY_HAND)
def test_by_hand(text: str, attributes: list[str], expected: dict[str, Any]) -> None:
    found = evaluate(text, read_attributes(attributes, VOCABULARY), VOCABULARY)
    assert {name: value for name, value in found.items() if name != "referenced"} == expected


def test_what_is_no_expression_is_told() -> None:
    assert evaluate("request.path ==", {}, VOCABULARY).keys() == {"compile_error"}


def test_keys_of_maps_are_named() -> None:
    bag = read_attributes(["request.headers=a:1;b:2"], VOCABULARY)
    found = evaluate('request.headers["a"] == "1" && (request.headers["c"] | "") == ""', bag, VOCABULARY)
    assert found["referenced"] == [
        {"name": "request.headers", "condition": "EXACT", "map_key": "a"},
        {"name": "request.headers", "condition": "ABSENCE", "map_key": "c"},
    ]


TEXTS = [
    ("x=1", {"x": 1}),
    ("x=1.5,y=true", {"x": 1.5, "y": True}),
    ("x=2026-01-01T00:00:00Z", {"x": Timestamp(1767225600_000000000)}),
    ("x=10ms", {"x": Duration(10_000_000)}),
    ("x=0a:ff", {"x": b"\x0a\xff"}),
    ("x=a:b;c:d", {"x": {"a": "b", "c": "d"}}),
    ("x=words", {"x": "words"}),
    ("request.path=1", {"request.path": "1"}),
    ("connection.mtls=true", {"connection.mtls": True}),
]


@pytest.mark.parametrize(("text", "bag"), TEXTS)
def test_attributes_as_they_are_written(text: str, bag: dict[str, object]) -> None:
    found = read_attributes([text], VOCABULARY)
    assert found == bag
    assert [type(value) for value in found.values()] == [type(value) for value in bag.values()]


@pytest.mark.parametrize("text", ["x", "=1", "request.size=many", "source.ip=here", "request.time=now"])
def test_attributes_that_are_none(text: str) -> None:
    with pytest.raises(AttributeTextError):
        read_attributes([text], VOCABULARY)
