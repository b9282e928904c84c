"""Buckets of a distribution: as the parameters have them, as bounds, and as Cloud Monitoring's message."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from typing import Any

from google.api.distribution_pb2 import Distribution

MOST_BUCKETS = 200  # Cloud Monitoring's limit of a distribution


class Buckets:
    """`bounds` are where one bucket ends, exclusive, and the next begins: one fewer than there are buckets."""

    def __init__(self, definition: Any) -> None:
        """Of a BucketsDefinition that has no faults."""
        self.bounds = list(_bounds(definition))
        self.options = _options(definition)


def bucket_fault(definition: Any) -> tuple[str, str] | None:
    """What is wrong with a BucketsDefinition: the field within it, and a sentence."""
    match definition.WhichOneof("definition"):
        case "linear_buckets":
            return _wrong_linear(definition.linear_buckets)
        case "exponential_buckets":
            return _wrong_exponential(definition.exponential_buckets)
        case "explicit_buckets":
            return _wrong_explicit(definition.explicit_buckets.bounds)
        case _:
            text = "a DISTRIBUTION needs its buckets: linearBuckets, exponentialBuckets or explicitBuckets."
            return ("", text)


def _wrong_linear(linear: Any) -> tuple[str, str] | None:
    if not 0 < linear.num_finite_buckets <= MOST_BUCKETS - 2:
        return (".linearBuckets.numFiniteBuckets", _number_text(linear.num_finite_buckets))
    if not (linear.width > 0 and isfinite(linear.width) and isfinite(linear.offset)):
        return (".linearBuckets.width", "the width is above 0, and the offset any number.")
    return None


def _wrong_exponential(found: Any) -> tuple[str, str] | None:
    if not 0 < found.num_finite_buckets <= MOST_BUCKETS - 2:
        return (".exponentialBuckets.numFiniteBuckets", _number_text(found.num_finite_buckets))
    if not (found.growth_factor > 1 and isfinite(found.growth_factor)):
        return (".exponentialBuckets.growthFactor", "the growth factor is above 1.")
    if not (found.scale > 0 and isfinite(found.scale)):
        return (".exponentialBuckets.scale", "the scale is above 0.")
    try:
        largest = found.scale * found.growth_factor**found.num_finite_buckets
    except OverflowError:
        largest = float("inf")
    if not isfinite(largest):
        return (".exponentialBuckets.growthFactor", "the last bound is no number any more: take fewer buckets.")
    return None


def _wrong_explicit(bounds: Any) -> tuple[str, str] | None:
    if not 0 < len(bounds) < MOST_BUCKETS:
        return (".explicitBuckets.bounds", f"there are 1 to {MOST_BUCKETS - 1} bounds, and not {len(bounds)}.")
    if not all(isfinite(each) for each in bounds) or any(low >= high for low, high in pairwise(bounds)):
        return (".explicitBuckets.bounds", "each bound is a number above the one before.")
    return None


def _number_text(number: int) -> str:
    return f"there are 1 to {MOST_BUCKETS - 2} finite buckets, and not {number}."


def _bounds(definition: Any) -> Iterator[float]:
    match definition.WhichOneof("definition"):
        case "linear_buckets":
            linear = definition.linear_buckets
            yield from (linear.offset + linear.width * place for place in range(linear.num_finite_buckets + 1))
        case "exponential_buckets":
            found = definition.exponential_buckets
            yield from (found.scale * found.growth_factor**place for place in range(found.num_finite_buckets + 1))
        case _:
            yield from definition.explicit_buckets.bounds


def _options(definition: Any) -> Any:
    """The two messages have the same fields."""
    name = definition.WhichOneof("definition")
    given = getattr(definition, name)
    found = Distribution.BucketOptions()
    target = getattr(found, name)
    target.SetInParent()
    for field, value in given.ListFields():
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        else:
            setattr(target, field.name, value)
    return found
