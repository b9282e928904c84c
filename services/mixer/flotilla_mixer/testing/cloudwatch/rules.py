"""What CloudWatch takes, as the pages of PutMetricData and PutLogEvents say (2026): moto checks little of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MEGABYTE = 1_000_000
MOST_METRICS, MOST_VALUES, MOST_DIMENSIONS = 1_000, 150, 30
MOST_EVENTS, MOST_EVENT_BYTES, EVENT_BYTES = 10_000, 1_048_576, 26
RANGE = 2.0**360
HOUR, DAY = 3600, 86_400
_SIZES = {(prefix + unit).capitalize() for prefix in ("", "kilo", "mega", "giga", "tera") for unit in ("bytes", "bits")}
UNITS = _SIZES | {f"{size}/Second" for size in _SIZES}
UNITS |= {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"}
_DATUM = {"MetricName", "Dimensions", "Timestamp", "Value", "StatisticValues", "Values", "Counts", "Unit"}
_DATUM |= {"StorageResolution"}


def metric_faults(body: Mapping[str, Any], length: int, now: float) -> Iterator[str]:
    """What is wrong with a PutMetricData of so many bytes."""
    namespace, data = body.get("Namespace", ""), body.get("MetricData", [])
    if not _is_text(namespace, 255) or namespace.startswith((":", "AWS/")):
        yield "Namespace"
    if length > MEGABYTE:
        yield f"the request has {length} bytes"
    if not 0 < len(data) <= MOST_METRICS:
        yield f"the request has {len(data)} metrics"
    for place, datum in enumerate(data, start=1):
        for fault in _datum_faults(datum, now):
            yield f"MetricData.member.{place}: {fault}"


def _datum_faults(datum: Mapping[str, Any], now: float) -> Iterator[str]:
    if set(datum) - _DATUM:
        yield f"unknown: {set(datum) - _DATUM}"
    if not _is_text(datum.get("MetricName"), 255):
        yield "MetricName"
    if datum.get("Unit", "None") not in UNITS:
        yield "Unit"
    if datum.get("StorageResolution", 60) not in (1, 60):
        yield "StorageResolution"
    if not -14 * DAY <= datum.get("Timestamp", now) - now <= 2 * HOUR:
        yield "Timestamp"
    yield from _dimension_faults(datum.get("Dimensions", []))
    yield from _value_faults(datum)


def _dimension_faults(dimensions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(dimensions) > MOST_DIMENSIONS or len({each.get("Name") for each in dimensions}) != len(dimensions):
        yield "Dimensions"
    for each in dimensions:
        if set(each) != {"Name", "Value"} or not _is_text(each["Name"], 255) or each["Name"].startswith(":"):
            yield f"the name of a dimension: {str(each)[:100]}"
        elif not _is_text(each["Value"], 1024):
            yield f"the value of {each['Name']}: {each['Value'][:100]!r}"


def _value_faults(datum: Mapping[str, Any]) -> Iterator[str]:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        yield f"it has {given or 'no value'}"
        return
    values, counts = datum.get("Values", []), datum.get("Counts", [])
    if len(values) > MOST_VALUES or ("Values" in datum and not values) or len(set(values)) != len(values):
        yield f"{len(values)} values, {len(set(values))} of them different"
    if counts and len(counts) != len(values):
        yield "Values and Counts are not of one length"
    found = datum.get("StatisticValues", {})
    if found and (set(found) != {"SampleCount", "Sum", "Minimum", "Maximum"} or found["Minimum"] > found["Maximum"]):
        yield "StatisticValues"
    numbers = [*values, *counts, *found.values(), *([datum["Value"]] if "Value" in datum else [])]
    if not all(isinstance(each, (int, float)) and math.isfinite(each) and abs(each) <= RANGE for each in numbers):
        yield "a number is out of range"
    if not all(each > 0 for each in (*counts, found.get("SampleCount", 1))):
        yield "a count is not above zero"


def event_faults(events: Sequence[Mapping[str, Any]], now: float) -> Iterator[str]:
    """What is wrong with a PutLogEvents as a whole."""
    sizes = [len(each["message"].encode()) for each in events]
    if not 0 < len(events) <= MOST_EVENTS:
        yield f"{len(events)} events"
    if not all(0 < size <= MOST_EVENT_BYTES for size in sizes):
        yield "the size of an event"
    if sum(sizes) + EVENT_BYTES * len(events) > MOST_EVENT_BYTES:
        yield f"{sum(sizes) + EVENT_BYTES * len(events)} bytes"
    times = [each["timestamp"] for each in events]
    if times != sorted(times):
        yield "Log events in a single PutLogEvents request must be in chronological order."
    if any(each < 0 for each in times):
        yield "a time below zero"
    valid = [each for each in times if -14 * DAY <= each / 1000 - now <= 2 * HOUR]
    if valid and valid[-1] - valid[0] > DAY * 1000:
        yield "the events span more than 24 hours"


def rejected_info(times: Sequence[int], now: float, retention_days: int) -> dict[str, int]:
    """Of events in order: where those end that are too old (exclusive), and where those begin that are too new."""
    oldest, newest = (now - 14 * DAY) * 1000, (now + 2 * HOUR) * 1000
    found = {
        "tooOldLogEventEndIndex": sum(each < oldest for each in times),
        "expiredLogEventEndIndex": sum(each < (now - retention_days * DAY) * 1000 for each in times)
        if retention_days
        else 0,
    }
    new = sum(each > newest for each in times)
    info = {name: end for name, end in found.items() if end}
    return info | ({"tooNewLogEventStartIndex": len(times) - new} if new else {})


def is_group(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", name) is not None


def is_stream(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[^:*]{1,512}", name) is not None


def _is_text(value: object, longest: int) -> bool:
    """Printable ASCII, with something to see."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*", value) is not None
        and (len(value) <= longest)
    )
