"""Hot unary services as functions over a batch of calls, and how they run under grpc.aio (under the native front: front.py).

The function gets every call that arrived while others kept arriving, for some turns of the loop. It answers each at
once, or keeps it and answers later from the loop; it never raises for one call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.open_calls import OpenCalls
from flotilla_shared.runtime.peers import Peer, peer_of
from flotilla_shared.runtime.tallies import CallTally, MethodTally, TallyBounds

_log = get_logger(__name__)


class Call:
    """One call. `deadline` is seconds that are left, or None; `metadata` pairs of name and value."""

    __slots__ = ("_answer", "_expires", "message", "metadata", "method", "peer")

    def __init__(
        self,
        method: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]],
        peer: Peer,
        deadline: float | None,
        answer: asyncio.Future[bytes],
    ) -> None:
        self.method = method
        self.message = message
        self.metadata = metadata
        self.peer = peer
        self._expires = None if deadline is None else time.monotonic() + deadline
        self._answer = answer

    @property
    def done(self) -> bool:
        """Answered, failed, or given up by the caller."""
        return self._answer.done()

    @property
    def deadline(self) -> float | None:
        """Seconds until the caller waits no longer; None where it said nothing."""
        return None if self._expires is None else self._expires - time.monotonic()

    @property
    def waited(self) -> float | None:
        """Seconds since the whole call was here; None where the transport does not say it, as grpc.aio."""
        return None

    @property
    def occurrences(self) -> int | None:
        """How often the field that is counted for the method stands in the message; None where nobody counted, as in grpc.aio."""
        return None

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for an answer: it is there, the caller went away, or its time is over."""
        return self._answer.done() or (self._expires is not None and time.monotonic() >= self._expires)

    @property
    def failed(self) -> bool:
        """Done, and not with an answer."""
        return self.done and (self._answer.cancelled() or self._answer.exception() is not None)

    def answer(self, message: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(message)

    def expire(self) -> None:
        """Fail it if nobody waits for it any more."""
        if self.given_up:
            self.fail(grpc.StatusCode.DEADLINE_EXCEEDED, "the caller's time is over")

    def fail(self, code: grpc.StatusCode, text: str) -> None:
        """A status that is not OK; `text` goes to the caller."""
        if not self._answer.done():
            self._answer.set_exception(CallFailed(code, text))


class CallFailed(Exception):
    """How a failed call travels from the batch function to the transport."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


# A batch is closed when no call has come for so many turns of the loop, and after so many at the latest. A turn in which
# nothing happens costs some microseconds; grpc.aio takes one new call in a turn or two.
QUIET_TURNS, MOST_TURNS = 10, 40
BatchFunction = Callable[[Sequence[Call]], None]


class BatchHandler:
    """Collects the calls of one method, and hands them over when no more come.

    What is done for several calls at once costs a fraction for each: the function's code and data are still in the
    processor's caches, and gRPC's core hears of all answers in one go.
    """

    def __init__(self, method: str, function: BatchFunction, open_calls: OpenCalls, bounds: TallyBounds) -> None:
        self._method = method
        self._function = function
        self._open = open_calls
        self.calls = CallTally(method, bounds)
        self._waiting: list[Call] = []
        self._seen = self._turns = self._quiet = 0

    async def serve(self, message: bytes, context: Any) -> bytes:
        """The grpc.aio handler: bytes in, bytes out. Everything around a call is here, for a coroutine more costs as much
        as what it would do.
        """
        began, status, sent = time.perf_counter(), "CANCELLED", None
        loop, task = asyncio.get_running_loop(), self._open.begin()
        call = Call(
            self._method,
            message,
            tuple(context.invocation_metadata() or ()),
            peer_of(context),
            context.time_remaining(),
            loop.create_future(),
        )
        if not self._waiting:
            self._seen = self._turns = self._quiet = 0
            loop.call_soon(self._turn)
        self._waiting.append(call)
        try:
            answer = await call._answer
            status, sent = "OK", len(answer)
            return answer
        except CallFailed as failed:
            status = failed.code.name
            await context.abort(failed.code, failed.text)
            raise
        finally:
            self._open.end(task)
            self.calls.ended(status, time.perf_counter() - began, len(message), sent)

    def _turn(self) -> None:
        """One more turn of waiting, or the end of it."""
        self._turns += 1
        came = len(self._waiting) > self._seen
        self._seen, self._quiet = len(self._waiting), 0 if came else self._quiet + 1
        if self._quiet < QUIET_TURNS and self._turns < MOST_TURNS:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        calls, self._waiting = self._waiting, []
        try:
            self._function(calls)
        except Exception:  # noqa: BLE001  # the calls must be answered whatever the function does
            _log.exception("batch function failed", method=self._method)
            for call in calls:
                call.fail(grpc.StatusCode.INTERNAL, "internal error")


class BatchHandlers(grpc.GenericRpcHandler):
    """All batch functions of a server, by full method name (`/package.Service/Method`)."""

    def __init__(self, functions: Mapping[str, BatchFunction], open_calls: OpenCalls, bounds: TallyBounds) -> None:
        self._batches = [BatchHandler(method, function, open_calls, bounds) for method, function in functions.items()]
        self._handlers: dict[str, Any] = {
            each.calls.method: grpc.unary_unary_rpc_method_handler(each.serve) for each in self._batches
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)

    def tallies(self) -> Sequence[MethodTally]:
        """Of each method."""
        return [each.calls.tally() for each in self._batches]
