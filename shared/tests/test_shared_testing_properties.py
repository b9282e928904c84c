"""Which tests have how much time: pytest's own limit, and that of property tests for all their examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.testing.properties import SECONDS, TIMES, examples


def limit(request: pytest.FixtureRequest) -> float | None:
    marked = request.node.get_closest_marker("timeout")
    return None if marked is None else float(marked.args[0])


@given(st.booleans())
def test_a_property_has_its_time_for_all_examples(request: pytest.FixtureRequest, value: bool) -> None:
    assert limit(request) == SECONDS * TIMES


@pytest.mark.timeout(90)
@given(st.booleans())
def test_a_property_keeps_the_time_that_it_names(request: pytest.FixtureRequest, value: bool) -> None:
    assert limit(request) == (90 if TIMES == 1 else SECONDS * TIMES)


def test_other_tests_have_the_time_of_all(request: pytest.FixtureRequest) -> None:
    assert limit(request) is None


MANY = """
from hypothesis import given, settings, strategies as st
from flotilla_shared.testing.properties import examples
tried = {"plain": 0, "fewer": 0, "inside": 0}
@given(st.integers())
def test_plain(number):
    tried["plain"] += 1
@given(st.integers())
@settings(max_examples=examples(5))
def test_fewer(number):
    tried["fewer"] += 1
def test_inside():
    @given(st.integers())
    @settings(max_examples=examples(7))
    def fewer(number):
        tried["inside"] += 1
    fewer()
    print(tried)
def test_no_property():
    assert False
"""


def test_many_examples_are_for_property_tests_alone(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(MANY)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "flotilla_shared.testing.properties", str(tmp_path)]
    environment = {**os.environ, "FLOTILLA_EXAMPLES": "3", "CI": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=50, cwd=tmp_path, check=False
    )
    assert "{'plain': 300, 'fewer': 15, 'inside': 21}" in run.stdout
    assert "3 passed, 1 deselected" in run.stdout


def test_examples() -> None:
    assert examples(7) == 7 * TIMES


TOLD = """
import source
from hypothesis import given, strategies as st
tried = []
@given(st.integers() | st.text())
def test_each(value):
    tried.append(value)
def test_last():
    print("tried", hash(tuple(map(repr, tried))))
"""


def test_every_run_tries_the_same_whatever_else_the_sources_say(tmp_path: Path) -> None:
    def run(first: int) -> str:
        file = tmp_path / "test_told.py"
        file.write_text(TOLD)
        (tmp_path / "source.py").write_text(f"NUMBERS = {list(range(first, first + 500))}")
        plain = {name: value for name, value in os.environ.items() if name not in ("CI", "FLOTILLA_EXAMPLES")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-s", "-p", "flotilla_shared.testing.properties", str(file)],
            env={**plain, "PYTHONHASHSEED": "0"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = [each for each in done.stdout.splitlines() if "tried" in each]
        return line

    assert run(1_000_000_007) == run(2_000_000_011)
