"""Cells as the datums of PutMetricData, in requests that CloudWatch takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flotilla_mixer.adapters.cloudwatch.cells import Cell, Values
from flotilla_mixer.adapters.cloudwatch.series import USUAL_RESOLUTION

MOST_DATUMS = 1_000
# Of the request before it is compressed, for the API's page does not say which it means; a little less than 1 MB, for
# the words around the datums.
MOST_BYTES = 1_000_000 - 1_000
SEPARATOR = 2


@dataclass(slots=True)
class MetricRequest:
    """Cells and their datums, in the same order."""

    items: list[Cell] = field(default_factory=list)
    datums: list[dict[str, Any]] = field(default_factory=list)


def datum(cell: Cell) -> dict[str, Any]:
    """A MetricDatum as botocore takes it. Its time is the beginning of its period."""
    series = cell.series
    found: dict[str, Any] = {
        "MetricName": series.name,
        "Timestamp": datetime.fromtimestamp(cell.begin, UTC),
        "Unit": series.unit,
    }
    if series.dimensions:
        found["Dimensions"] = [{"Name": name, "Value": value} for name, value in series.dimensions]
    if series.resolution != USUAL_RESOLUTION:
        found["StorageResolution"] = series.resolution
    return found | _statistics(cell)


def _statistics(cell: Cell) -> dict[str, Any]:
    if isinstance(cell, Values):
        return {"Values": list(cell.counts), "Counts": [float(count) for count in cell.counts.values()]}
    values = {"SampleCount": float(cell.entries), "Sum": cell.total, "Minimum": cell.least, "Maximum": cell.most}
    return {"StatisticValues": values}


def length(found: dict[str, Any]) -> int:
    """Bytes of a datum as JSON, as botocore writes it."""
    return len(json.dumps(found, default=lambda moment: int(moment.timestamp()))) + SEPARATOR


def requests(
    cells: Iterable[Cell], most_datums: int = MOST_DATUMS, most_bytes: int = MOST_BYTES
) -> Iterator[MetricRequest]:
    """In order. A datum is at most 80 kB long, so each fits."""
    request, total = MetricRequest(), 0
    for cell in cells:
        made = datum(cell)
        size = length(made)
        if request.items and (len(request.items) >= most_datums or total + size > most_bytes):
            yield request
            request, total = MetricRequest(), 0
        request.items.append(cell)
        request.datums.append(made)
        total += size
    if request.items:
        yield request


def namespace_fault(name: str) -> str:
    """What is wrong with a namespace; empty if nothing is."""
    if not name:
        return "it is missing; name one, such as Mesh."
    plain = name.isascii() and name.isprintable() and bool(name.strip())
    if not plain or len(name) > 255 or name.startswith((":", "AWS/")):
        return "a namespace has up to 255 printable ASCII characters and begins with neither `:` nor `AWS/`."
    return ""


def name_fault(name: str) -> str:
    """What is wrong with the name of a metric or a dimension; empty if nothing is."""
    if name.isascii() and name.isprintable() and name.strip() and len(name) <= 255 and name[0] != ":":
        return ""
    return f"{name[:50]!r} is no name for CloudWatch: up to 255 printable ASCII characters, the first not `:`."


__all__: Sequence[str] = ["MetricRequest", "datum", "length", "name_fault", "namespace_fault", "requests"]
