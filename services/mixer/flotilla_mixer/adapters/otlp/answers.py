"""What a collector's answers mean for a batch (OpenTelemetry's protocol, "Failures").

| answer                                                                     | the batch                              |
|----------------------------------------------------------------------------|----------------------------------------|
| taken, with a partial success                                              | what was rejected is dropped           |
| UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, DATA_LOSS | tried again                            |
| RESOURCE_EXHAUSTED with RetryInfo                                          | tried again, not before it says        |
| 429, 502, 503, 504                                                         | tried again, not before Retry-After    |
| anything else                                                              | dropped                                |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from flotilla_mixer.adapters.otlp.requests import Signal
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.http import OVERLOADED, REFUSED, TEXT_SHOWN
from flotilla_mixer.kit.sending import SendError

REJECTED = "rejected"
DETAILS = "grpc-status-details-bin"
NANOSECONDS = 1_000_000_000
RETRYABLE_STATUSES = frozenset((429, 502, 503, 504))
_Code = grpc.StatusCode
RETRYABLE = {
    _Code.UNAVAILABLE: UNREACHABLE,
    _Code.DEADLINE_EXCEEDED: TIMEOUT,
    _Code.CANCELLED: OVERLOADED,
    _Code.ABORTED: OVERLOADED,
    _Code.OUT_OF_RANGE: OVERLOADED,
    _Code.DATA_LOSS: OVERLOADED,
}


class PartialSuccess(NamedTuple):
    """How many entries a collector rejected of those that it was sent, and why. None rejected: only a warning."""

    rejected: int
    text: str


def partial_success(signal: Signal, response: Any, sent: int) -> PartialSuccess | None:
    if not response.HasField("partial_success"):
        return None
    found = response.partial_success
    rejected = min(max(getattr(found, signal.rejected), 0), sent)
    text = found.error_message[:TEXT_SHOWN]
    return PartialSuccess(rejected, text) if rejected or text else None


def rejected_error(signal: Signal, found: PartialSuccess, sent: int, dropped: Sequence[Any]) -> SendError:
    """For the kit: these items are dropped, and the others were taken."""
    text = f"the collector rejected {found.rejected} of {sent} {signal.entries}: {found.text!r}"
    return SendError(text, cause=REJECTED, refused={REJECTED: dropped})


def grpc_error(place: str, error: grpc.aio.AioRpcError) -> SendError:
    code, said = error.code(), (error.details() or "")[:TEXT_SHOWN]
    text = f"{place} answered {code.name}: {said!r}"
    if code is _Code.RESOURCE_EXHAUSTED:
        after = retry_delay(error)
        if after is not None:
            return SendError(text, cause=OVERLOADED, retry=True, after=after)
    cause = RETRYABLE.get(code)
    if cause is None:
        return SendError(text, cause=REFUSED)
    return SendError(text, cause=cause, retry=True, after=retry_delay(error))


def retry_delay(error: grpc.aio.AioRpcError) -> float | None:
    """Seconds of a RetryInfo; None where there is none."""
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS and isinstance(value, bytes):
            return _delay(value)
    return None


def _delay(content: bytes) -> float | None:
    info = RetryInfo()
    try:
        for detail in Status.FromString(content).details:
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos / NANOSECONDS))
    except DecodeError:
        return None
    return None


def http_error(place: str, status: int, headers: Any, content: bytes) -> SendError:
    text = f"{place} answered {status}: {_said(headers.get('content-type', ''), content)!r}"
    if status not in RETRYABLE_STATUSES:
        return SendError(text, cause=REFUSED)
    return SendError(text, cause=OVERLOADED, retry=True, after=retry_after(headers.get("retry-after", "")))


def _said(kind: str, content: bytes) -> str:
    """Of a body, which is a Status of gRPC's where the collector keeps to the protocol."""
    if kind.startswith("application/x-protobuf"):
        try:
            return str(Status.FromString(content).message)[:TEXT_SHOWN]
        except DecodeError:
            return ""
    return content[: 4 * TEXT_SHOWN].decode(errors="replace")[:TEXT_SHOWN]


def retry_after(text: str, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After, which is a number of them or a date (RFC 9110, 10.2.3)."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
