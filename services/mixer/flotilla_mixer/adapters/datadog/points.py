"""Points as Datadog's intake takes them, in JSON: `POST /api/v2/series`, and distributions `POST /api/v1/distribution_points`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

COUNT, RATE, GAUGE = 1, 2, 3  # MetricIntakeType of the series API, and our parameters' own numbers


class Point(NamedTuple):
    """One element of a payload, encoded, and how many entries it stands for."""

    content: bytes
    number: int
    is_distribution: bool = False


def series_point(shown: Mapping[str, Any], kind: int, moment: int, interval: int, value: float, number: int) -> Point:
    """`interval` is of counts and rates: by it Datadog makes one of the other."""
    point = {"timestamp": moment, "value": value}
    found = {**shown, "type": kind, "points": [point]}
    if kind != GAUGE:
        found["interval"] = interval
    return Point(orjson.dumps(found), number)


def distribution_points(shown: Mapping[str, Any], host: str, moment: int, values: Sequence[float]) -> Point:
    """The values themselves, of which Datadog makes percentiles. This API has neither units nor resources but a host."""
    found = {"metric": shown["metric"], "tags": shown["tags"], "points": [[moment, values]], "type": "distribution"}
    if host:
        found["host"] = host
    return Point(orjson.dumps(found), len(values), is_distribution=True)
