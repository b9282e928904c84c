"""Hot unary services as functions over a batch of calls, and how they run under grpc.aio.

The function gets every call that arrived in one turn of the loop. It answers each at once, or keeps it and
answers later from the loop; it never raises for one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.peers import Peer, peer_of

_log = get_logger(__name__)


class Call:
    """One call. `deadline` is seconds that are left, or None; `metadata` pairs of name and value."""

    __slots__ = ("_answer", "deadline", "message", "metadata", "method", "peer")

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
        self.deadline = deadline
        self._answer = answer

    @property
    def done(self) -> bool:
        """Answered, failed, or given up by the caller."""
        return self._answer.done()

    def answer(self, message: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(message)

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


BatchFunction = Callable[[Sequence[Call]], None]


class BatchHandler:
    """Collects the calls of one method and hands them over once a turn of the loop."""

    def __init__(self, method: str, function: BatchFunction) -> None:
        self._method = method
        self._function = function
        self._waiting: list[Call] = []

    async def serve(self, message: bytes, context: Any) -> bytes:
        """The grpc.aio handler: bytes in, bytes out."""
        loop = asyncio.get_running_loop()
        call = Call(
            self._method,
            message,
            tuple(context.invocation_metadata() or ()),
            peer_of(context),
            context.time_remaining(),
            loop.create_future(),
        )
        if not self._waiting:
            loop.call_soon(self._hand_over)
        self._waiting.append(call)
        try:
            return await call._answer
        except CallFailed as failed:
            await context.abort(failed.code, failed.text)
            raise

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

    def __init__(self, functions: dict[str, BatchFunction]) -> None:
        self._handlers: dict[str, Any] = {
            method: grpc.unary_unary_rpc_method_handler(_serve(BatchHandler(method, function)))
            for method, function in functions.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)


def _serve(handler: BatchHandler) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def serve(message: bytes, context: Any) -> bytes:
        return await handler.serve(message, context)

    return serve
