"""`flotilla mixer eval`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from flotilla_cli.commands.mixer_eval import run
from flotilla_cli.errors import Refused
from flotilla_cli.parser import build_parser

CASE = {"id": "one", "expression": "a + 1", "attribute_set": "small", "input": {"a": {"type": "INT64", "value": 2}}}


def evaluated(*arguments: str) -> int:
    return run(build_parser().parse_args(["mixer", "eval", *arguments]))


def test_one_expression(capsys: pytest.CaptureFixture[str]) -> None:
    evaluated('request.path | "/"', "-a", "request.path=/x,request.size=3")
    assert json.loads(capsys.readouterr().out) == {
        "type": "STRING",
        "result": {"type": "STRING", "value": "/x"},
        "referenced": [{"name": "request.path", "condition": "EXACT"}],
    }


@pytest.mark.parametrize(
    ("language", "text", "result"),
    [
        ("CEL", "has(request.path) ? 'a' : 'b'", "b"),
        ("COMPAT", 'request.path | "c"', "c"),
        ("CEXL", 'request.path | "c"', "c"),
    ],
)
def test_in_each_language(language: str, text: str, result: str, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(text, "--language", language)
    assert json.loads(capsys.readouterr().out)["result"] == {"type": "STRING", "value": result}


def test_cases_in_cel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cases.jsonl").write_text(json.dumps({"id": "one", "expression": "1 in [1] ? 2 : 3"}))
    evaluated("--cases", str(tmp_path / "cases.jsonl"), "--language", "CEL")
    assert json.loads(capsys.readouterr().out)["result"] == {"type": "INT64", "value": 2}


def test_a_file_of_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases, sets = tmp_path / "cases.jsonl", tmp_path / "sets.json"
    cases.write_text(f"{json.dumps(CASE)}\n\n{json.dumps(CASE | {'id': 'two', 'expression': 'a +'})}\n")
    sets.write_text('{"small": {"a": "INT64"}}')
    evaluated("--cases", str(cases), "--attribute-sets", str(sets))
    one, two = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["id"], one["result"]) == ("one", {"type": "INT64", "value": 3})
    assert two.keys() == {"id", "compile_error"}


WRONG = [
    ([], "nothing to work out"),
    (["x", "--cases", "f"], "expressions of its own"),
    (["--cases", "no-such-file"], "cannot be read"),
    (["request.size", "-a", "request.size=x"], "request.size is INT64"),
    (["--cases", "-", "--attribute-sets", "no-such-file"], "cannot be read"),
    (["--cases", "-", "--attribute-sets", __file__], "is no JSON"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        evaluated(*arguments)


BAD = {
    "no JSON": ("{", "no JSON"),
    "no object": ("[1]", "a case is an object"),
    "no expression": ('{"id": "x"}', "a case is an object"),
    "no such set": (json.dumps(CASE | {"attribute_set": "other"}), "the attribute set 'other'"),
    "no such type": (json.dumps(CASE | {"attributes": {"a": "WORD"}}), "WORD"),
    "no value": (json.dumps(CASE | {"input": {"a": {"type": "IP_ADDRESS", "hex": "0"}}}), "cannot be read"),
    "a number that is too large": (json.dumps(CASE | {"input": {"a": {"type": "INT64", "value": 2**70}}}), "be read"),
    "no typed value": (json.dumps(CASE | {"input": {"a": 3}}), "cannot be read"),
    "deep": ("[" * 100_000, ""),
}


@pytest.mark.parametrize(("line", "said"), BAD.values(), ids=BAD)
def test_a_line_that_is_no_case_is_told_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    cases, sets = tmp_path / "cases", tmp_path / "sets.json"
    cases.write_text(f"{json.dumps(CASE)}\n{line}\n{json.dumps(CASE | {'id': 'last'})}\n")
    sets.write_text('{"small": {"a": "INT64"}}')
    assert evaluated("--cases", str(cases), "--attribute-sets", str(sets)) == 1
    shown = capsys.readouterr()
    assert [json.loads(each)["id"] for each in shown.out.splitlines()] == ["one", "last"]
    assert shown.err.startswith(f"{cases}:2: ")
    assert said in shown.err


def test_cases_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    case = {"id": 1, "expression": 'request.path == "\u2028"', "input": {}}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(case, ensure_ascii=False) + "\n"))
    assert evaluated("--cases", "-") == 0
    assert json.loads(capsys.readouterr().out) == {
        "id": 1,
        "type": "BOOL",
        "error": "lookup failed: 'request.path'",
        "referenced": [{"name": "request.path", "condition": "ABSENCE"}],
    }


VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "1.4"


@pytest.mark.parametrize("table", ["expressions", "expressions_more"])
def test_the_command_answers_every_case_as_14_did(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Type, value, whether it failed, and what was looked at; an error's text as far as it is Mixer's own."""
    file = VECTORS / "mixer" / f"{table}.jsonl"
    if not file.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    sets = VECTORS / "fixtures" / "attribute_sets.json"
    assert evaluated("--cases", str(file), "--attribute-sets", str(sets)) == 0
    cases = [json.loads(line) for line in file.read_text().splitlines()]
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in found] == [case["id"] for case in cases]
    own = [(one, case["observed"]["CEXL"]) for one, case in zip(found, cases, strict=True) if not added(case)]
    print(f"{table} by the command: {len(own)} ran, {len(cases) - len(own)} add a function of their own")
    assert len(own) > 250
    assert [(one, wanted) for one, wanted in own if shown(one) != shown(wanted)] == []
    for one, wanted in own:
        if "error" in wanted and not wanted["error"].startswith(QUOTED):
            assert one["error"].startswith(wanted["error"])


QUOTED = ("error parsing regexp", "error converting", "idna:", "mail:")  # texts of libraries


def added(case: dict[str, Any]) -> bool:
    return bool(case.get("custom_functions"))


def shown(outcome: dict[str, Any]) -> Any:
    kind = next(each for each in ("compile_error", "error", "result") if each in outcome)
    looked = sorted(
        (each["name"], each.get("map_key", ""), each["condition"]) for each in outcome.get("referenced") or ()
    )
    return kind, outcome.get("type"), outcome.get("result"), looked
