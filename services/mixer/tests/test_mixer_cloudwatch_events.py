"""What CloudWatch Logs is told: rows to events, in requests that it takes whatever is logged."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.cloudwatch import events as logs
from flotilla_mixer.adapters.cloudwatch.events import EventReader, event, rejected
from flotilla_mixer.kit.gotext import TemplateError
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.cloudwatch.rules import event_faults
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_shared.model.expressions import Timestamp

NOW = 1_767_225_663.25
LOG = sample_spec(LOG_ENTRY, ("code", "who"), name="log.instance.ns")

LOG_ROWS = [
    ("{{.who}} {{.code}}", (Timestamp(1_500_000), "info", None, (200, "me"), ()), logs.Event(1, "me 200", 32)),
    ("{{.severity}}!", (Timestamp(0), None, None, (1, ""), ()), logs.Event(0, "!", 27)),
    (
        '{{.timestamp.Format "15:04"}} ü',
        (Timestamp(60_000_000_000), "info", None, (1, 2), ()),
        logs.Event(60_000, "00:01 ü", 34),
    ),
    ("{{.nobody}}", (Timestamp(-5), "", None, (1, 2), ()), logs.Event(0, "<no value>", 36)),
    (
        "",
        (Timestamp(0), "info", None, (200, "me"), ()),
        logs.Event(0, "1970-01-01T00:00:00.000000Z info code=200 who=me", 74),
    ),
    (
        "  ",
        (Timestamp(0), "", None, (200, "me"), ()),
        logs.Event(0, "1970-01-01T00:00:00.000000Z - code=200 who=me", 71),
    ),
    ("{{.who}}", (Timestamp(0), "", None, (200, "\ud800"), ()), logs.Event(0, "?", 27)),
]


@pytest.mark.parametrize(("payload", "row", "wanted"), LOG_ROWS)
def test_rows_of_logs(payload: str, row: Any, wanted: logs.Event) -> None:
    assert EventReader(LOG, payload).read(row) == wanted


def test_without_a_payload_an_entry_of_requests_is_the_usual_line() -> None:
    spec = sample_spec(LOG_ENTRY, ("method", "response_code", "source_ip", "url"))
    row = (Timestamp(0), "", None, ("GET", 200, bytes([10, 0, 0, 1]), "/a"), ())
    assert EventReader(spec, "").read(row).message == '10.0.0.1 - - [1970-01-01T00:00:00Z] "GET /a -" 200 -'


def test_an_entry_without_a_time_is_of_now() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= EventReader(LOG, "a").read((None, "", None, (1, 2), ())).time <= time.time_ns() // 1_000_000


MISFITS: list[Any] = [
    ("{{.who}}", (Timestamp(0), "", None, (1, ""), ())),
    ("{{.who}}", (Timestamp(0), "", None, (1,), ())),
    ("{{.who}}", ("now", "", None, (1, "a"), ())),
    ("{{.who.name}}", (Timestamp(0), "", None, (1, "a"), ())),
    ("{{.who}}", (Timestamp(0), "", None, (1, "x" * 1_048_551), ())),
]


@pytest.mark.parametrize(("payload", "row"), MISFITS)
def test_rows_that_are_no_events(payload: str, row: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        EventReader(LOG, payload).read(row)


def test_a_message_may_be_as_long_as_a_request() -> None:
    assert event(0, "x" * 1_048_550).size == 1_048_576
    assert event(0, "é" * 524_275).size == 1_048_576


def test_a_payload_that_is_no_template_is_told() -> None:
    with pytest.raises(TemplateError):
        EventReader(LOG, "{{")


HOUR = 3_600_000


def test_events_are_in_order_and_a_request_spans_less_than_a_day() -> None:
    given = [event(hour * HOUR, str(hour)) for hour in (30, 0, 23, 24, 5, 47, 48, 0)]
    found = [[each.time // HOUR for each in request.items] for request in logs.requests(given)]
    assert found == [[0, 0, 5, 23], [24, 30, 47], [48]]
    assert list(logs.requests([])) == []


REJECTED: list[tuple[dict[str, int], dict[str, str]]] = [
    ({}, {}),
    ({"tooOldLogEventEndIndex": 2}, {"too_old": "ab"}),
    ({"tooNewLogEventStartIndex": 3}, {"too_new": "d"}),
    ({"expiredLogEventEndIndex": 1}, {"past_retention": "a"}),
    (
        {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3},
        {"too_old": "a", "past_retention": "b", "too_new": "d"},
    ),
    ({"tooOldLogEventEndIndex": 9, "tooNewLogEventStartIndex": 0}, {"too_old": "abcd"}),
    ({"tooOldLogEventEndIndex": -1, "tooNewLogEventStartIndex": 99}, {}),
]


@pytest.mark.parametrize(("answer", "wanted"), REJECTED)
def test_events_that_were_rejected(answer: dict[str, int], wanted: dict[str, str]) -> None:
    found = rejected([event(0, each) for each in "abcd"], answer)
    assert {cause: "".join(each.message for each in events) for cause, events in found.items()} == wanted


@given(st.lists(st.tuples(st.integers(-20 * 24, 5), st.text(max_size=30)), max_size=40))
def test_whatever_is_logged_requests_are_within_all_limits(entries: list[tuple[int, str]]) -> None:
    reader, given_events = EventReader(LOG, "{{.who}}"), []
    for hours, text in entries:
        try:
            moment = Timestamp(int(NOW * 1e9) + hours * 3600 * 10**9)
            given_events.append(reader.read((moment, "", None, (1, text), ())))
        except ValueError:
            assert not text
    found = [request.items for request in logs.requests(given_events)]
    for items in found:
        written = [{"timestamp": each.time, "message": each.message} for each in items]
        assert list(event_faults(written, NOW)) == []
    assert Counter(each for items in found for each in items) == Counter(given_events)
