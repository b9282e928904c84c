"""The demo's backends: processes that say where they are and what they have been told; those that cannot run are left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from flotilla_cli.demo import backends
from flotilla_cli.demo.telling import difference
from flotilla_cli.errors import PlanError
from flotilla_cli.example import telemetry_directory

SAYS = """\
import json, sys
print(json.dumps({"params": {"address": "127.0.0.1:" + sys.argv[-1]}, "environment": {"FOR_MIXER": "yes"},
                  "services": ["details"], "page": "http://there"}), flush=True)
for number, _ in enumerate(sys.stdin):
    print(json.dumps({"details": number}), flush=True)
"""
LACKS = """print('{"missing": "install it"}')"""
BREAKS = "raise SystemExit(3)"
FILE = """\
kind: handler
spec: {params: {address: "127.0.0.1:1", prefix: p, tls: {caFile: x, serverName: y}}}
---
kind: rule
spec: {actions: []}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    programs, config = tmp_path / backends.PROGRAMS, tmp_path / backends.CONFIG
    programs.mkdir()
    config.mkdir()
    for name, text in {"__init__": "", "telling": "", "says": SAYS, "lacks": LACKS, "breaks": BREAKS}.items():
        (programs / f"{name}.py").write_text(text)
    for name in (backends.INSTANCES, "says", "lacks", "breaks", "nobody"):
        (config / f"{name}.yaml").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("all", ["breaks", "lacks", "says"]), ("says", ["says"]), (" says, lacks,", ["says", "lacks"])],
)
def test_adapters_are_chosen_by_name_or_all(directory: Path, text: str, wanted: list[str]) -> None:
    assert backends.chosen(text, directory) == wanted


@pytest.mark.parametrize("name", ["nobody", "instances", "telling", "zipkim"])
def test_an_adapter_that_is_not_there_is_told_with_those_that_are(directory: Path, name: str) -> None:
    with pytest.raises(PlanError, match=name) as told:
        backends.chosen(f"says,{name}", directory)
    assert "breaks, lacks, says" in str(told.value)


def test_backends_that_run_are_asked_and_the_others_left_out(directory: Path) -> None:
    said: list[str] = []
    with backends.running(["says", "lacks", "breaks"], directory, "127.0.0.14", said.append) as there:
        (one,) = there
        assert (one.name, one.services, one.page) == ("says", ["details"], "http://there")
        assert one.params == {"address": "127.0.0.1:127.0.0.14"}, "it is told where Mixer is"
        assert [one.calls() for _ in range(3)] == [{"details": 0}, {"details": 1}, {"details": 2}]
        assert os.environ["FOR_MIXER"] == "yes"
    assert "FOR_MIXER" not in os.environ
    assert said[:2] == ["says: its backend runs", "lacks is left out: install it"]
    assert said[2].startswith("breaks is left out: `python -m telemetry_backends.breaks` ended without a word")


def test_a_backend_that_has_ended_is_told(directory: Path) -> None:
    with backends.running(["says"], directory, "x", lambda _: None) as (one,):
        one.stop()
        one.stop()
        with pytest.raises(ValueError, match="closed"):
            one.calls()


def test_a_handler_gets_the_place_of_its_backend(directory: Path) -> None:
    with backends.running(["says"], directory, "5", lambda _: None) as (one,):
        handler, rule = yaml.safe_load_all(backends.configuration(directory, one))
    assert handler["spec"]["params"] == {
        "address": "127.0.0.1:5",
        "prefix": "p",
        "tls": {"caFile": "x", "serverName": "y"},
    }
    assert rule["spec"] == {"actions": []}


@pytest.mark.parametrize(
    ("written", "given", "wanted"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": 1}, {"a": {"b": 3}}, {"a": {"b": 3}}),
        ({"a": [1]}, {"a": [2, 3]}, {"a": [2, 3]}),
    ],
)
def test_parameters_are_joined_map_by_map(written: dict, given: dict, wanted: dict) -> None:
    before = repr(written)
    assert backends.merged(written, given) == wanted
    assert repr(written) == before


def test_a_difference_is_what_has_been_added() -> None:
    assert difference({"a": 5, "b": 2, "c": 1}, {"a": 3, "b": 2}) == {"a": 2, "c": 1}


def test_every_file_of_the_example_has_its_backend() -> None:
    directory = telemetry_directory()
    files = {file.stem for file in (directory / backends.CONFIG).glob("*.yaml")} - {backends.INSTANCES}
    assert files == set(backends.chosen("all", directory))
