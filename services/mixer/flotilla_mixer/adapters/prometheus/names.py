"""Names and buckets, as the adapter of 1.4 made them (mixer.md 5.3)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

DEFAULT_NAMESPACE = "istio"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_TO_UNDERSCORE = str.maketrans({"/": "_", ".": "_", " ": "_", "-": None})


def sanitise(name: str) -> str:
    """A name as Prometheus takes it: a leading slash goes, other separators become underscores, dashes vanish."""
    return name.removeprefix("/").translate(_TO_UNDERSCORE)


def metric_name(info: Any) -> str:
    """The full name of a metric: namespace (default `istio`) and name, or the instance's name without one."""
    return f"{sanitise(info.namespace or DEFAULT_NAMESPACE)}_{sanitise(info.name or info.instance_name)}"


def bucket_bounds(buckets: Any) -> tuple[float, ...]:
    """The upper bounds of a distribution, without the infinite one. Raises ValueError for bounds that do not grow."""
    match buckets.WhichOneof("definition"):
        case "explicit_buckets":
            bounds = tuple(buckets.explicit_buckets.bounds)
        case "linear_buckets":
            linear = buckets.linear_buckets
            bounds = tuple(linear.offset + linear.width * i for i in range(linear.num_finite_buckets + 1))
        case "exponential_buckets":
            growing = buckets.exponential_buckets
            bounds = tuple(growing.scale * growing.growth_factor**i for i in range(growing.num_finite_buckets + 1))
        case _:
            return DEFAULT_BUCKETS
    if not bounds or any(low >= high for low, high in pairwise(bounds)):
        raise ValueError("the bounds of the buckets must grow, each above the one before")
    return bounds
