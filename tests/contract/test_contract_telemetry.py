"""The rules of examples/telemetry: valid, without faults beside Bookinfo's own, and all put to work by Mixer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flotilla_cli.__main__ import main
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.testing.meshes import configured, problems

ROOT = Path(__file__).parents[2]
FOLDER, BOOKINFO = ROOT / "examples" / "telemetry" / "config", ROOT / "examples" / "bookinfo" / "local" / "config"
INSTANCES = FOLDER / "instances.yaml"
FILES = sorted(FOLDER.glob("*.yaml"))
ADAPTERS = [file.stem for file in FILES if file != INSTANCES]


def test_galley_takes_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    named = [word for file in FILES for word in ("-f", str(file))]
    assert main(["validate", *named]) == 0, capsys.readouterr().out


def test_nothing_is_wrong_between_them_and_bookinfos(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(FOLDER), str(BOOKINFO)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", ADAPTERS)
def test_mixer_puts_each_to_work(name: str) -> None:
    made = configured(INSTANCES.read_text(), (FOLDER / f"{name}.yaml").read_text())
    assert not problems(made)
    assert name in load_adapters()


def test_mixer_puts_all_to_work_beside_bookinfos_own() -> None:
    made = configured(*(file.read_text() for file in [*FILES, *sorted(BOOKINFO.glob("telemetry.yaml"))]))
    assert not problems(made)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_file_has_one_adapter_and_a_rule_of_its_name(name: str) -> None:
    documents = list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))
    assert {each["spec"]["compiledAdapter"] for each in documents if each["kind"] == "handler"} == {name}
    assert [each["metadata"]["name"] for each in documents if each["kind"] == "rule"] == [name]
    assert {each["metadata"]["namespace"] for each in documents} == {"istio-system"}
