"""What Google's services answer, whatever it is: every entry of a request has one verdict, and bytes are protobuf's."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.cloud.logging_v2.types import logging as logging_messages
from google.protobuf.wrappers_pb2 import BytesValue
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.stackdriver import logging, monitoring
from flotilla_mixer.adapters.stackdriver.messages import monitoring as messages
from flotilla_mixer.adapters.stackdriver.outcomes import DETAILS, CallError, call_error
from flotilla_mixer.adapters.stackdriver.wire import clean, field, shown, varint
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.kit.text import text_of

Code = grpc.StatusCode
BATCH: list[Any] = list(range(8))
PARTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["timeSeries[0]", "timeSeries[3,5-6]", "timeSeries[7-2]", "timeSeries[6-99]", "timeSeries[,-,]", "; "]
    ),
    st.sampled_from(["Points must be written in order", "more frequently than", "Internal error", "Please retry"]),
)
SAID = st.lists(PARTS, max_size=8).map(" ".join)
CODES = st.sampled_from([code for code in Code if code is not Code.OK])
PARTIAL = logging_messages.WriteLogEntriesPartialErrors.pb()


def verdicts(error: SendError) -> list[Any]:
    """Items that an error says something of; all of them where it speaks of none."""
    if error.left is None:
        return BATCH
    return sorted([*error.left, *(item for items in error.refused.values() for item in items)])


@given(CODES, SAID, st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_of_monitoring(code: grpc.StatusCode, said: str, counts: tuple[int, int] | None) -> None:
    status = status_pb2.Status()
    if counts is not None:
        status.details.add().Pack(messages().summary(total_point_count=counts[0], success_point_count=counts[1]))
    found = verdicts(monitoring.in_part(CallError(code, said, status), BATCH, messages().summary))
    assert found == sorted(set(found)), "nothing has two verdicts"
    assert set(found) <= set(BATCH)
    assert found, "an error is about something"


@given(CODES, st.dictionaries(st.integers(-3, 12), st.integers(0, 20), max_size=8))
def test_of_logging(code: grpc.StatusCode, codes: dict[int, int]) -> None:
    errors = PARTIAL()
    for place, number in codes.items():
        errors.log_entry_errors[place].code = number
    status = status_pb2.Status()
    status.details.add().Pack(errors)
    found = verdicts(logging.in_part(CallError(code, "in part", status), BATCH, PARTIAL))
    wanted = sorted(set(codes) & set(BATCH))
    assert found == (wanted if codes else BATCH)


def error_with(metadata: tuple[tuple[str, str | bytes], ...]) -> CallError:
    trailing = grpc.aio.Metadata(*metadata)
    return call_error(grpc.aio.AioRpcError(Code.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), trailing, "quota"))


@given(st.binary(max_size=60))
def test_details_that_cannot_be_read_are_none(content: bytes) -> None:
    assert error_with(((DETAILS, content),)).cause == "busy"


@pytest.mark.parametrize("seconds", [0.0, 1.5, 90.0])
def test_the_time_to_wait_is_read(seconds: float) -> None:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    status = status_pb2.Status(code=8)
    status.details.add().Pack(info)
    assert error_with(((DETAILS, status.SerializeToString()),)).after == seconds
    assert error_with(()).after is None


@given(st.binary(max_size=300))
def test_fields_are_protobufs(content: bytes) -> None:
    assert BytesValue.FromString(field(1, content)).value == content


@given(st.integers(0, 2**63), st.integers(1, 2**20))
def test_whole_numbers_are_protobufs(value: int, number: int) -> None:
    found = varint(value)
    assert sum((each & 0x7F) << 7 * place for place, each in enumerate(found)) == value
    assert all(each & 0x80 for each in found[:-1])
    assert found[-1] < 0x80
    assert field(number, b"")[-1] == 0


@given(st.text(st.characters(), max_size=50), st.integers(0, 60))
def test_a_text_is_one_that_protobuf_takes(text: str, most: int) -> None:
    found = clean(text, most)
    assert len(found) == min(len(text), most)
    assert found.encode().decode() == found


@given(st.one_of(st.text(), st.binary(max_size=20), st.integers(), st.booleans(), st.none()))
def test_a_value_is_shown_as_everywhere(value: object) -> None:
    assert shown(value) == text_of(value) == shown(value)
