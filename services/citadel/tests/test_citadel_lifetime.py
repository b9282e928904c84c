"""The lifetime rule: a default, a maximum, and never a silent cap."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.ca.lifetime import Lifetimes
from flotilla_citadel.errors import LifetimeRefused

RULE = Lifetimes(default=timedelta(hours=24), maximum=timedelta(days=90))
MAXIMUM = 90 * 86400


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(0, 86400), (-1, 86400), (-(2**63), 86400), (1, 1), (3600, 3600), (MAXIMUM, MAXIMUM)],
)
def test_what_is_granted(asked: int, granted: int) -> None:
    assert RULE.granted(asked) == timedelta(seconds=granted)


@pytest.mark.parametrize("asked", [MAXIMUM + 1, 91 * 86400, 2**63 - 1])
def test_more_than_the_maximum_is_an_error(asked: int) -> None:
    with pytest.raises(LifetimeRefused, match=f"requested TTL {asked}s is greater than the max allowed TTL 7776000s"):
        RULE.granted(asked)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_is_granted_or_refused(asked: int) -> None:
    try:
        granted = RULE.granted(asked)
    except LifetimeRefused:
        assert asked > MAXIMUM
    else:
        assert timedelta(0) < granted <= RULE.maximum
