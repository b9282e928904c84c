"""Which tests have how much time: pytest's own limit, and that of property tests for all their examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.testing.properties import SECONDS


def limit(request: pytest.FixtureRequest) -> float | None:
    marked = request.node.get_closest_marker("timeout")
    return None if marked is None else float(marked.args[0])


@given(st.booleans())
def test_a_property_has_its_time_for_all_examples(request: pytest.FixtureRequest, value: bool) -> None:
    assert limit(request) == SECONDS


@pytest.mark.timeout(90)
@given(st.booleans())
def test_a_property_keeps_the_time_that_it_names(request: pytest.FixtureRequest, value: bool) -> None:
    assert limit(request) == 90


def test_other_tests_have_the_time_of_all(request: pytest.FixtureRequest) -> None:
    assert limit(request) is None
