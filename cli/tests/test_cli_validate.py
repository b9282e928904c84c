"""`flotilla validate`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.excerpt import Excerpts
from flotilla_galley.offline.judge import Finding, judge

GOOD = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: books}
spec: {host: reviews}
"""
BAD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  htps: []
  http:
  - route:
    - destination: {host: reviews}
    timeout: 0s
"""


def validated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["validate", *arguments])
    return code, capsys.readouterr().out


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mesh.yaml"


def test_a_line_a_document_in_order(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"---\n{GOOD}---\n{BAD}---\n---\n{{: }}: [\n---\n{GOOD}")
    code, out = validated(capsys, "-f", str(file), "-o", "jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [each["index"] for each in found] == [0, 1, 2, 3]
    assert [each["valid"] for each in found] == [True, False, False, True]
    assert found[0] == {
        "index": 0,
        "kind": "DestinationRule",
        "name": "reviews",
        "namespace": "books",
        "valid": True,
        "errors": [],
        "warnings": [],
    }
    assert found[1]["errors"] == [
        {
            "code": "invalid",
            "field": "spec.http[0].timeout",
            "file": str(file),
            "line": 17,
            "column": 5,
            "message": "0s is too short",
            "hint": "it must be at least 0.001s",
        }
    ]
    assert [(each["code"], each["line"], each["hint"]) for each in found[1]["warnings"]] == [
        ("unknown-field", 13, "did you mean http?")
    ]
    assert found[2]["errors"][0]["code"] == "broken-yaml"


def test_documents_do_not_know_of_one_another(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{GOOD}---\n{GOOD}")
    code, out = validated(capsys, "-f", str(file), "-f", str(file), "-o", "json")
    assert code == 0
    assert [each["index"] for each in json.loads(out)] == [0, 1, 2, 3]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(GOOD))
    assert validated(capsys, "-f", "-") == (0, "1 documents, 0 invalid\n")


def test_a_fault_is_shown_where_it_stands(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(BAD)
    code, out = validated(capsys, "-f", str(file))
    assert code == 1
    assert out.split("\n\n")[0].splitlines() == [
        "error[invalid] VirtualService reviews: 0s is too short",
        f"  --> {file}:11:5 (spec.http[0].timeout)",
        "11 |     timeout: 0s",
        "   |     ^^^^^^^",
        "   = hint: it must be at least 0.001s",
    ]
    assert out.endswith("1 documents, 1 invalid\n")


def test_colour_paints_ours_and_never_the_files() -> None:
    fault = Finding("invalid", "spec", "f", 1, 1, "wrong \x1b[2J", "")
    shown = Excerpts({"f": "spec: \x1b[2J"}, colour=True).of("error", "Gateway g", fault)
    assert "\x1b[1;31merror[invalid]\x1b[0m" in shown
    assert "\x1b[2J" not in shown


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(file: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    assert validated(capsys, "-f", str(file)) == (2, "")


def test_1_4_does_not_judge_api_version() -> None:
    text = GOOD.replace("networking.istio.io/v1", "whatever")
    assert [each.valid for each in judge("f", text, "1.4")] == [True]
    assert [each.errors[0].code for each in judge("f", text)] == ["no-api-version"]


@pytest.mark.parametrize(
    "text", ["kind: 3", "- 1", "3", "kind: List\nitems: [1]", "kind: Gateway\nmetadata: {name: []}"]
)
def test_what_is_no_object_is_one_invalid_document(text: str) -> None:
    (judged,) = judge("f", text)
    assert not judged.valid
    assert judged.errors[0].line >= 1


def written(api_version: str, kind: str) -> str:
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{unheard: of}}"


@pytest.mark.parametrize(
    ("api_version", "kind", "today", "of_1_4"),
    [
        ("v1", "Service", True, True),
        ("apps/v1", "Deployment", True, True),
        ("certmanager.k8s.io/v1alpha1", "Issuer", True, True),
        ("monitoring.example.com/v1", "Watch", True, True),
        ("gateway.networking.k8s.io/v1", "Gateway", True, False),
        ("networking.istio.io/v1", "Gatewya", False, False),
        ("networking.istoi.io/v1", "Gateway", False, False),
        ("install.istio.io/v1alpha1", "IstioOperator", False, False),
    ],
)
def test_objects_of_others_are_not_ours_to_judge(api_version: str, kind: str, today: bool, of_1_4: bool) -> None:
    text = written(api_version, kind)
    assert [each.valid for each in judge("f", text)] == [today]
    assert [each.valid for each in judge("f", text, "1.4")] == [of_1_4]


def test_every_sample_of_istios_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
    files = sorted((root / "1.4" / "files" / "samples").rglob("*.yaml"))
    if not files:
        pytest.skip(f"no samples below {root}: set FLOTILLA_VECTORS to the folder that holds them")
    named = [word for file in files for word in ("-f", str(file))]
    for ruleset in ("today", "1.4"):
        code, out = validated(capsys, *named, "--ruleset", ruleset)
        assert code == 0, out
        assert "error[" not in out
