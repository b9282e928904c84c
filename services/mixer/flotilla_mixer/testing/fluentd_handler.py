"""Handlers of the fluentd adapter for tests, and what they report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format

from flotilla_mixer.adapters.fluentd.adapter import Fluentd
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

MOMENT = 1_767_225_600_123_456_789
TYPES = {"number": ValueType.INT64, "path": ValueType.STRING, "took": ValueType.DURATION}
ACCESS = sample_spec(LOG_ENTRY, tuple(TYPES), name="access.instance.ns")
TAGGED = sample_spec(LOG_ENTRY, ("number", "tag"), name="tagged.instance.ns")


def fluentd_handler(address: str, background: Background, **changes: Any) -> Any:
    """One that sends at once, with what `changes` say. Raises ValueError for what is not valid."""
    params: Any = Fluentd().defaults()
    json_format.ParseDict({"address": address, "pushIntervalDuration": "0s", **changes}, params)
    faults = list(Fluentd().validate(params, [ACCESS, TAGGED]))
    if faults:
        raise ValueError(str(faults))
    return Fluentd().build(params, [ACCESS, TAGGED], background)


def access(numbers: Iterable[int]) -> ReportBatch:
    """Rows of ACCESS; the record that each must be read as is `access_record`'s."""
    rows = [
        (Timestamp(MOMENT + number), "info", None, (number, "/reviews", Duration(number % 1000 * 1_000_000)), ())
        for number in numbers
    ]
    return ReportBatch(ACCESS, rows)


def access_record(number: int) -> dict[str, Any]:
    took = f"{number % 1000}ms" if number % 1000 else "0s"
    return {"number": number, "path": "/reviews", "took": took, "severity": "info"}


def tagged(*entries: tuple[str, int]) -> ReportBatch:
    """Rows of TAGGED: a tag and a number each."""
    return ReportBatch(TAGGED, [(Timestamp(MOMENT), "info", None, (number, tag), ()) for tag, number in entries])
