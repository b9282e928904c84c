"""`flotilla kube-inject`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_cli.__main__ import main

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: example/web:1}]
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "web.yaml"
    file.write_text(f"{POD}---\n{SERVICE}")
    return file


def objects(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def test_a_file_with_a_pod(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kube-inject", "-f", str(file)]) == 0
    pod, service = objects(capsys.readouterr().out)
    assert [each["name"] for each in pod["spec"]["containers"]] == ["web", "istio-proxy"]
    assert service == yaml.safe_load(SERVICE)


def test_standard_input_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(POD))
    target = tmp_path / "out.yaml"
    assert main(["kube-inject", "-f", "-", "-o", str(target), "--native"]) == 0
    assert [each["name"] for each in objects(target.read_text())[0]["spec"]["initContainers"]] == [
        "istio-init",
        "istio-proxy",
    ]


def test_what_says_how(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "--valuesFile": json.dumps({"global": {"hub": "example", "tag": "3"}}),
        "--meshConfigFile": "trustDomain: example.org\ndefaultConfig: {concurrency: 4}\n",
        "--injectConfigFile": "injectedAnnotations: {team: blue}\n",
    }
    arguments = ["kube-inject", "-f", str(file), "--revision", "canary"]
    for flag, content in given.items():
        (tmp_path / flag).write_text(content)
        arguments += [flag, str(tmp_path / flag)]
    assert main(arguments) == 0
    pod = objects(capsys.readouterr().out)[0]
    proxy = pod["spec"]["containers"][1]
    told = {each["name"]: each.get("value") for each in proxy["env"]}
    assert proxy["image"] == "example/proxy:3"
    assert (told["TRUST_DOMAIN"], told["REVISION"], told["PROXY_CONFIG"]) == (
        "example.org",
        "canary",
        '{"concurrency":4}',
    )
    assert pod["metadata"]["annotations"]["team"] == "blue"


def test_what_is_left_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(POD.replace("spec:", "spec:\n  hostNetwork: true"))
    assert main(["kube-inject", "-f", str(file)]) == 0
    assert capsys.readouterr().err == 'flotilla: Pod "default/web" is left as it is: it has host networking\n'


REFUSALS = (
    ("-f", "a: [", "it is not YAML"),
    (
        "-f",
        POD.replace("name: web}", "name: web, annotations: {status.sidecar.istio.io/port: x}}"),
        'Pod "default/web"',
    ),
    ("--valuesFile", "- a", "values: it holds a list"),
    ("--injectConfigFile", "policy: maybe", "policy is 'maybe'"),
    ("--meshConfigFile", "defaultConfig: 3", "is no mesh configuration"),
)


@pytest.mark.parametrize(("flag", "content", "words"), REFUSALS)
def test_a_refusal_is_one_sentence(
    flag: str, content: str, words: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.write_text(content)
    arguments = ["kube-inject", "-f", str(file), flag, str(bad)]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kube-inject", "-f", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read: No such file or directory" in capsys.readouterr().err
