"""`flotilla mixer eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flotilla_cli.commands.mixer_eval import run
from flotilla_cli.errors import Refused
from flotilla_cli.parser import build_parser

CASE = {"id": "one", "expression": "a + 1", "attribute_set": "small", "input": {"a": {"type": "INT64", "value": 2}}}


def evaluated(*arguments: str) -> None:
    run(build_parser().parse_args(["mixer", "eval", *arguments]))


def test_one_expression(capsys: pytest.CaptureFixture[str]) -> None:
    evaluated('request.path | "/"', "-a", "request.path=/x,request.size=3")
    assert json.loads(capsys.readouterr().out) == {
        "type": "STRING",
        "result": {"type": "STRING", "value": "/x"},
        "referenced": [{"name": "request.path", "condition": "EXACT"}],
    }


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
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        evaluated(*arguments)


@pytest.mark.parametrize("line", ["{", json.dumps(CASE)])
def test_a_case_that_is_none_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "cases").write_text(f"{line}\n")
    with pytest.raises(Refused, match="cases:1:"):
        evaluated("--cases", str(tmp_path / "cases"))
