"""`flotilla analyze` of Mixer's objects: what a Mixer would say, with file and line, without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.analysis.mixer import READS
from flotilla_mixer.configuration.build import JUDGED

RULE = """\
apiVersion: config.istio.io/v1alpha2
kind: denier
metadata: {name: closed, namespace: shop}
spec:
  status: {code: 7}
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: {name: ask, namespace: shop}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata:
  name: deny
  namespace: shop
spec:
  match: request.method == "GET"
  actions:
  - handler: closed.denier
    instances: [ask.checknothing]
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], text: str, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    Path("rule.yaml").write_text(text)
    code = main(["analyze", "rule.yaml", "-o", "json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_what_is_right_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, RULE) == (0, [])


# What is written instead of what: exit code, level, code, object and line.
WRONG = [
    ("code: 7}", "code: 70}", 79, ("Error", "bad-params", "denier shop/closed", 5)),
    ("code: 7}", "code: 7}\n  stats: {}", 79, ("Error", "bad-params", "denier shop/closed", 4)),
    ("request.method ==", "request.mehtod ==", 79, ("Error", "bad-match", "rule shop/deny", 17)),
    ("closed.denier", "closed", 79, ("Error", "no-handler", "rule shop/deny", 19)),
    ("[ask.checknothing]", "[ask]", 79, ("Error", "no-instance", "rule shop/deny", 20)),
    ("[ask.checknothing]", "[ask.checknothing, ask.checknothing]", 79, ("Warning", "twice", "rule shop/deny", 20)),
]


@pytest.mark.parametrize(("right", "wrong", "code", "expected"), WRONG)
def test_problems_have_their_place(
    right: str, wrong: str, code: int, expected: tuple[str, str, str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert right in RULE
    found, messages = told(capsys, RULE.replace(right, wrong))
    assert found == code
    places = [
        (each["level"], each["code"], each["origin"], int(each["reference"].partition(":")[2])) for each in messages
    ]
    assert expected in places
    assert all("documentationUrl" not in each for each in messages if not each["code"].startswith("IST"))


def test_it_can_be_named_alone_left_out_and_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = RULE.replace("closed.denier", "closed")
    assert [each["code"] for each in told(capsys, wrong, "--analyzer", "mixer.Configuration")[1]] == ["no-handler"]
    assert told(capsys, wrong, "--analyzer", "virtualservice.GatewayAnalyzer") == (0, [])
    assert told(capsys, wrong, "-S", "no-handler=rule shop/*") == (0, [])
    assert [each["code"] for each in told(capsys, wrong, "--ruleset", "1.4")[1]] == ["no-handler"]


def test_every_object_that_mixer_judges_is_read() -> None:
    assert set(READS) == JUDGED


def test_without_objects_of_mixer_nothing_of_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("Mixer was asked")

    monkeypatch.setattr("flotilla_mixer.offline.problems.problems_of", refuse)
    assert (
        told(capsys, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", "--failure-threshold", "Error")[0]
        == 0
    )
