"""The otlp adapter's attributes, resources and ids."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.otlp.attributes import (
    LONGEST_TEXT,
    AttributesWriter,
    AttributeWriter,
    any_value,
    encoded_resource,
    fit_text,
)
from flotilla_mixer.adapters.otlp.json_text import json_request
from flotilla_mixer.adapters.otlp.requests import LOGS, TRACES, Entry, encoded_request
from flotilla_mixer.adapters.otlp.resources import ResourceWriter
from flotilla_protos.flotilla.opentelemetry.common_pb2 import Resource
from flotilla_protos.flotilla.opentelemetry.logs_pb2 import LogRecord
from flotilla_protos.flotilla.opentelemetry.metrics_pb2 import HistogramDataPoint
from flotilla_protos.flotilla.opentelemetry.trace_pb2 import Span
from flotilla_shared.model.expressions import Duration, Timestamp

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def plain(value: Any) -> Any:
    """An AnyValue as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)


VALUES = [
    ("a", "a"),
    ("", ""),
    (7, 7),
    (-(2**63), -(2**63)),
    (True, True),
    (1.5, 1.5),
    (Duration(2_500_000), 0.0025),
    (Timestamp(1_767_225_600_123_456_789), "2026-01-01T00:00:00.123456Z"),
    (bytes([10, 0, 0, 1]), "10.0.0.1"),
    (bytes(15) + b"\1", "::1"),
    ({"b": "2", "a": "1"}, {"a": "1", "b": "2"}),
    ("half \ud800", "half ?"),
    ("x" * 100_000, "x" * LONGEST_TEXT),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_values_keep_their_types(value: object, expected: object) -> None:
    found = plain(any_value(value))
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**80])
def test_a_number_of_more_than_64_bits_is_no_attribute(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        any_value(value)


@given(st.text())
def test_every_text_can_be_sent(text: str) -> None:
    assert fit_text(text) == text[:LONGEST_TEXT].encode(errors="replace").decode()


ALIKE = st.sampled_from([1, 1.0, True, 0, 0.0, False, Duration(1), "1", None])


@given(st.lists(ALIKE, max_size=20), st.sampled_from([LogRecord, Span, HistogramDataPoint]))
def test_what_is_remembered_of_a_value_is_of_its_type(values: list[Any], message: Any) -> None:
    writer = AttributeWriter("a", message)
    for value in values:
        found = message.FromString(writer.write(value)).attributes
        if value is None:
            assert not found
        else:
            assert [(pair.key, pair.value) for pair in found] == [("a", any_value(value))]


def test_all_of_a_map_are_written_in_order_and_no_other_number() -> None:
    writer = AttributesWriter(("a", "b"), LogRecord)
    found = LogRecord.FromString(writer.write((1, "x"))).attributes
    assert [(pair.key, plain(pair.value)) for pair in found] == [("a", 1), ("b", "x")]
    for wrong in ((), (1,), (1, 2, 3)):
        with pytest.raises(ValueError, match="do not fit 2 names"):
            writer.write(wrong)


# resources


def read(content: bytes) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in Resource.FromString(content).attributes}


def test_a_resource_has_what_is_fixed_and_over_it_what_rows_give() -> None:
    writer = ResourceWriter({"service.name": "mesh", "zone": "a"}, ("pod", "zone"))
    assert read(writer.write("k8s_pod", ("p1", "b"))) == {
        "service.name": "mesh",
        "zone": "b",
        "pod": "p1",
        "monitored_resource.type": "k8s_pod",
    }
    assert read(writer.write("UNSPECIFIED", (None, ""))) == {"service.name": "mesh"}
    assert writer.write("", (1, "")) != writer.write("", (True, ""))
    with pytest.raises(ValueError, match="2 dimensions of the resource"):
        writer.write("", ("p1",))


def test_what_is_empty_is_no_attribute_of_a_resource() -> None:
    assert read(encoded_resource({"b": 0, "a": "", "c": None, "d": False})) == {"b": 0, "d": False}


def test_a_request_has_each_resource_once() -> None:
    resources = [encoded_resource({"service.name": name}) for name in "ab"]
    entries = [
        Entry(resources[number % 2], LogRecord(severity_number=number).SerializeToString()) for number in range(4)
    ]
    found = LOGS.request.FromString(encoded_request(entries))
    assert [
        (read(each.resource.SerializeToString()), [record.severity_number for record in each.scope_logs[0].log_records])
        for each in found.resource_logs
    ] == [({"service.name": "a"}, [0, 2]), ({"service.name": "b"}, [1, 3])]
    assert {each.scope_logs[0].scope.name for each in found.resource_logs} == {"flotilla.mixer"}


# JSON


def test_json_has_ids_in_hexadecimal_and_enums_as_numbers() -> None:
    span = Span(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name="a", kind=Span.SPAN_KIND_CLIENT)
    content = encoded_request([Entry(encoded_resource({"service.name": "a"}), span.SerializeToString())])
    text = json_request(TRACES, content).decode()
    assert f'"traceId":"{TRACE}"' in text
    assert f'"spanId":"{SPAN}"' in text
    assert '"kind":3' in text
    assert json_format.Parse(text.replace(f'"{TRACE}"', '""').replace(f'"{SPAN}"', '""'), TRACES.request())
