"""What values add up to: sums, gauges, histograms with bounds and exponential ones, and the points that say so."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.otlp.exponential import LEAST_NORMAL, LEAST_SCALE, MAX_SCALE, Exponential, bucket_of
from flotilla_mixer.adapters.otlp.sums import Buckets, Last, Total
from flotilla_mixer.testing import otlp_checks

BOUNDS = (0.0, 1.0, 10.0)
NUMBERS = st.floats(-1e9, 1e9) | st.integers(-(2**53), 2**53)


def of(kind: Any, *values: float) -> Any:
    found = kind()
    for value in values:
        found.add(value)
    return found


def test_a_sum_of_whole_numbers_is_whole_and_stays_a_number_beyond_64_bits() -> None:
    assert of(Total, 1, 2).point().as_int == 3
    assert of(Total, 1, 2.5).point().as_double == 3.5
    assert of(Total, 2**63 - 1).point().as_int == 2**63 - 1
    assert of(Total, 2**63 - 1, 1).point().as_double == 2.0**63
    assert of(Total, -(2**63)).point().as_int == -(2**63)


def test_of_a_gauge_the_last_value_counts() -> None:
    assert of(Last, 1, 7, -2).point().as_int == -2
    assert of(Last, 1.5).point().as_double == 1.5


def test_a_bucket_takes_its_upper_bound() -> None:
    point = of(lambda: Buckets(BOUNDS), 0, 0.5, 1, 1.5, 10, 11).point()
    assert list(point.bucket_counts) == [1, 2, 2, 1]
    assert (point.count, point.sum, point.min, point.max) == (6, 24, 0, 11)
    assert list(point.explicit_bounds) == list(BOUNDS)


def test_values_below_zero_have_no_sum() -> None:
    """It would fall, and a reader takes the sum of a histogram for one that grows."""
    for kind in (lambda: Buckets(BOUNDS), Exponential):
        point = of(kind, 3, -1).point()
        assert not point.HasField("sum")
        assert (point.count, point.min, point.max) == (2, -1, 3)


KINDS = [Total, Last, lambda: Buckets(BOUNDS), Exponential, lambda: Exponential(4)]


@given(st.sampled_from(KINDS), st.lists(NUMBERS, max_size=20), st.lists(NUMBERS, min_size=1, max_size=20))
def test_what_is_merged_is_as_if_it_had_been_added(kind: Any, before: list[float], after: list[float]) -> None:
    whole, first, then = of(kind, *before, *after), of(kind, *before), of(kind, *after)
    first.merge(then)
    merged, expected = first.point(), whole.point()
    for name in ("sum", "as_double"):  # sums of floats depend on their order
        if name in merged.DESCRIPTOR.fields_by_name and expected.HasField(name):
            assert getattr(merged, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e3)
            merged.ClearField(name)
            expected.ClearField(name)
    if "scale" in merged.DESCRIPTOR.fields_by_name:
        assert merged.scale <= expected.scale
        for side in ("positive", "negative"):
            assert sum(getattr(merged, side).bucket_counts) == sum(getattr(expected, side).bucket_counts)
            merged.ClearField(side)
            expected.ClearField(side)
        merged.scale = expected.scale
    assert merged == expected


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.lists(st.floats(-1e6, 1e6), unique=True, max_size=10))
def test_a_histogram_is_what_a_collector_takes(values: list[float], bounds: list[float]) -> None:
    bounds.sort()
    point = of(lambda: Buckets(bounds), *values).point()
    assert list(otlp_checks._histogram(point)) == []
    assert point.bucket_counts[bisect_left(bounds, values[0])] >= 1


# exponential histograms


@given(st.floats(LEAST_NORMAL, 1e300), st.integers(LEAST_SCALE, MAX_SCALE))
def test_a_bucket_holds_its_values(value: float, scale: int) -> None:
    """2^(bucket / 2^scale) < value <= 2^((bucket + 1) / 2^scale), as near as a logarithm can say."""
    bucket, place = bucket_of(value, scale), math.log2(value) * 2.0**scale
    slack = 1e-9 * max(1.0, abs(place))
    assert bucket - slack <= place <= bucket + 1 + slack


@pytest.mark.parametrize("scale", range(LEAST_SCALE, MAX_SCALE + 1))
@pytest.mark.parametrize("power", [-1021, -3, -1, 0, 1, 2, 10, 1023])
def test_a_power_of_two_is_the_upper_bound_of_its_bucket(scale: int, power: int) -> None:
    value = 2.0**power
    bucket = bucket_of(value, scale)
    assert bucket == math.ceil(power * 2.0**scale) - 1
    above = bucket_of(math.nextafter(value, math.inf), scale)
    assert above == math.floor(power * 2.0**scale)


def test_what_is_smaller_than_normal_is_counted_with_the_smallest() -> None:
    assert bucket_of(5e-324, 3) == bucket_of(LEAST_NORMAL, 3)


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.integers(2, 40))
def test_an_exponential_histogram_is_what_a_collector_takes(values: list[float], size: int) -> None:
    found = of(lambda: Exponential(size), *values)
    point = found.point()
    assert list(otlp_checks._exponential(point)) == []
    for side in (point.positive, point.negative):
        counts = list(side.bucket_counts)
        assert len(counts) <= size
        assert not counts or (counts[0] and counts[-1])
    for value in values:
        side = point.positive if value > 0 else point.negative
        if value:
            assert side.bucket_counts[bucket_of(abs(value), point.scale) - side.offset] > 0


def test_the_scale_falls_as_far_as_it_must() -> None:
    assert of(Exponential, 1).point().scale == MAX_SCALE
    assert of(Exponential, 1e-300, 1e300).point().scale == -4
    assert of(lambda: Exponential(2), 1e-300, 1e300).point().scale == LEAST_SCALE
    assert of(Exponential, 0, 0).point().scale == 0, "zeros have no buckets"
