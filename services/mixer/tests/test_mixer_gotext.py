"""Templates give what Go's own package gives: the golden file is what it said (tests/gotext/main.go)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.kit.gotext.functions import LONGEST_RESULT
from flotilla_shared.model.expressions import Duration, Timestamp

HERE = Path(__file__).parent / "gotext"
TEMPLATES = (HERE / "templates.txt").read_text().splitlines()
GOLDEN = [json.loads(line) for line in (HERE / "golden.jsonl").read_text().splitlines()]
REWRITE = "rewrite it: pytest -m interop services/mixer/tests/test_mixer_gotext.py says what Go says now"
VALUES: dict[str, Any] = {
    "method": "GET",
    "code": 500,
    "zero": 0,
    "negative": -7,
    "empty": "",
    "odd": 'a"b ü',
    "ratio": 1.5,
    "whole": 100.0,
    "small": 0.00001,
    "large": 1e21,
    "yes": True,
    "no": False,
    "took": Duration(1_500_000),
    "when": Timestamp(1_767_225_600_500_000_000),
    "ip": bytes([10, 0, 0, 1]),
    "labels": {"version": "v1", "app": "reviews"},
    "none": {},
}
# Parts of Go's language that are left out, and what nobody needs of it.
DIFFERENT = {
    '{{define "x"}}{{end}}': "not taken",
    "{{slice .method 1 2}}": "not taken",
    '{{html "<a>"}}': "not taken: it escapes for pages",
    "{{range .code}}x{{end}}": "a number cannot be gone over, as in the Go of 1.4",
    "{{eq nil nil}}": "nothing is like nothing in later versions of Go alone",
}


def outcome(text: str) -> dict[str, str]:
    try:
        found = template(text)
    except TemplateError:
        return {"error": "parse"}
    try:
        return {"text": found.run(VALUES)}
    except TemplateError:
        return {"error": "run"}


def test_the_golden_file_has_a_line_for_each_template() -> None:
    assert len(TEMPLATES) == len(GOLDEN) > 100
    assert set(DIFFERENT) <= set(TEMPLATES)


@pytest.mark.parametrize(("text", "wanted"), list(zip(TEMPLATES, GOLDEN, strict=True)))
def test_a_template_gives_what_go_gives(text: str, wanted: dict[str, str]) -> None:
    if text in DIFFERENT:
        assert outcome(text) != wanted, "it does not differ any more: take it off the list"
        return
    assert outcome(text).get("text") == wanted.get("text")


@pytest.mark.interop
def test_the_golden_file_is_what_go_says() -> None:
    if not shutil.which("go"):
        pytest.skip("there is no go: install Go to ask its own package")
    lines = "".join(f"{json.dumps(text)}\n" for text in TEMPLATES)
    said = subprocess.run(["go", "run", str(HERE / "main.go")], input=lines, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in said.stdout.splitlines()] == GOLDEN, REWRITE


NAMES = [
    ("plain", set()),
    ("{{.a}}-{{.b.c}}", {"a", "b"}),
    ("{{if .a}}{{.b}}{{else}}{{.c}}{{end}}", {"a", "b", "c"}),
    ("{{with .a}}{{.b}}{{else}}{{.c}}{{end}}", {"a", "c"}),
    ("{{range .a}}{{.b}}{{$.c}}{{end}}", {"a"}),
    ('{{or (.a) "-"}}{{printf "%s" .b | len}}', {"a", "b"}),
    ("{{$x := .a}}{{$x.b}}", {"a"}),
]


@pytest.mark.parametrize(("text", "names"), NAMES)
def test_the_names_that_a_template_takes(text: str, names: set[str]) -> None:
    assert template(text).names == names


BOUNDS = [
    "x" * 20_000,
    "{{if .a}}" * 60 + "{{end}}" * 60,
    "{{" + "(" * 60 + ".a" + ")" * 60 + "}}",
]


@pytest.mark.parametrize("text", BOUNDS)
def test_templates_are_bounded(text: str) -> None:
    with pytest.raises(TemplateError, match=r"at most|more than"):
        template(text)


def test_results_are_bounded() -> None:
    nested = "{{range .n}}" * 4 + "0123456789" * 10 + "{{end}}" * 4
    many = {"n": {str(number): {str(n): {} for n in range(40)} for number in range(40)}}
    deep = template("{{range $.n}}{{range $.n}}{{range $.n}}" + "x" * 100 + "{{end}}{{end}}{{end}}")
    with pytest.raises(TemplateError, match=str(LONGEST_RESULT)):
        deep.run(many)
    assert template(nested).run({"n": {}}) == ""


WORDS = """
    {{ }} {{- -}} .a $ $x := = | ( ) if else end range with print printf len index or " ` ' %d 1 0x \\ /* */ , é
"""
ACTIONS = st.lists(st.sampled_from([*WORDS.split(), " ", "\n"]), max_size=30).map("".join)


@given(ACTIONS)
def test_whatever_is_written_is_a_template_or_told(text: str) -> None:
    try:
        template(text).run({"a": 1})
    except TemplateError:
        return
