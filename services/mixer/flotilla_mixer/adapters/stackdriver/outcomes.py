"""What an error of gRPC means for a batch: whether to try again, and by which cause it is counted."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.sending import SendError

DETAILS = "grpc-status-details-bin"
LONGEST_TEXT = 300
Code = grpc.StatusCode
# Codes that may pass by themselves. A request that is not authenticated may be, when its credentials were renewed.
PASSING = {
    Code.UNAVAILABLE: UNREACHABLE,
    Code.DEADLINE_EXCEEDED: TIMEOUT,
    Code.RESOURCE_EXHAUSTED: "busy",
    Code.ABORTED: "busy",
    Code.INTERNAL: "busy",
    Code.UNKNOWN: "busy",
    Code.CANCELLED: UNREACHABLE,
    Code.UNAUTHENTICATED: "unauthenticated",
}
BY_NUMBER = {code.value[0]: code for code in Code}


class CallError(SendError):
    """A call that failed. `code` is gRPC's; `status` has the details that came with it, if any did."""

    def __init__(self, code: Code, text: str, status: Any) -> None:
        cause, retry = verdict(code)
        super().__init__(f"{code.name}: {text[:LONGEST_TEXT]}", cause=cause, retry=retry, after=_after(status))
        self.code = code
        self.status = status
        self.said = text


def verdict(code: Code) -> tuple[str, bool]:
    """The cause that a code is counted by, and whether the same may be taken later."""
    passing = PASSING.get(code)
    return (passing, True) if passing else (code.name.lower(), False)


def call_error(error: grpc.aio.AioRpcError) -> CallError:
    return CallError(error.code(), error.details() or "", _status(error))


def detail(status: Any, kind: Any) -> Any:
    """The first detail of this kind, or None."""
    for each in status.details:
        found = kind()
        if each.Is(found.DESCRIPTOR) and each.Unpack(found):
            return found
    return None


def _status(error: grpc.aio.AioRpcError) -> Any:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _after(status: Any) -> float | None:
    """Seconds that the service asks to wait."""
    found = detail(status, error_details_pb2.RetryInfo)
    return None if found is None else found.retry_delay.seconds + found.retry_delay.nanos / 1e9
