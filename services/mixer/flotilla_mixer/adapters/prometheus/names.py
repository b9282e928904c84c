"""Names and buckets, as the adapter of 1.4 made them (mixer.md 5.3)."""

from __future__ import annotations

import re
from itertools import pairwise
from math import inf, isfinite
from typing import Any

DEFAULT_NAMESPACE = "istio"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_BUCKETS = 500  # every label set has them all
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_TO_UNDERSCORE = str.maketrans({"/": "_", ".": "_", " ": "_", "-": None})


def sanitise(name: str) -> str:
    """A name as Prometheus takes it: a leading slash goes, other separators become underscores, dashes vanish."""
    return name.removeprefix("/").translate(_TO_UNDERSCORE)


def encodable(text: str) -> str:
    """Without halves of characters, which nobody could read."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def metric_name(info: Any) -> str:
    """The full name of a metric: namespace (default `istio`) and name, or the instance's name without one."""
    return f"{sanitise(info.namespace or DEFAULT_NAMESPACE)}_{sanitise(info.name or info.instance_name)}"


def bucket_bounds(buckets: Any) -> tuple[float, ...]:
    """The upper bounds of a distribution, without the infinite one. Raises ValueError for bounds that do not grow, are no
    numbers, or are too many.
    """
    match buckets.WhichOneof("definition"):
        case "explicit_buckets":
            explicit = buckets.explicit_buckets.bounds
            bounds = tuple(explicit[place] for place in range(_number(len(explicit) - 1)))
        case "linear_buckets":
            linear = buckets.linear_buckets
            count = _number(linear.num_finite_buckets)
            bounds = tuple(linear.offset + linear.width * i for i in range(count))
        case "exponential_buckets":
            growing = buckets.exponential_buckets
            count = _number(growing.num_finite_buckets)
            bounds = tuple(growing.scale * _power(growing.growth_factor, i) for i in range(count))
        case _:
            return DEFAULT_BUCKETS
    if not bounds or any(not low < high for low, high in pairwise(bounds)) or not all(map(isfinite, bounds)):
        raise ValueError("the bounds of the buckets must be numbers that grow, each above the one before")
    return bounds


def _number(finite: int) -> int:
    """How many bounds so many finite buckets have."""
    if finite >= MOST_BUCKETS:
        raise ValueError(f"a distribution has at most {MOST_BUCKETS} buckets, and not {finite}")
    return finite + 1


def _power(factor: float, exponent: int) -> float:
    try:
        return float(factor**exponent)
    except OverflowError:
        return inf
