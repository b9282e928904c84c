"""The calls that a gRPC server has open, so that it can wait for their end.

grpc.aio ends calls when a server stops, but does not wait until their tasks have cleaned up after themselves: what they
hold (a subscription, a file) would outlive the server by some turns of the loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import grpc

BEHAVIOURS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class OpenCalls:
    """Those of one server."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def watch(self, handler: grpc.GenericRpcHandler) -> grpc.GenericRpcHandler:
        """The same handler, whose calls are known here."""
        return _Watched(handler, self._begun)

    def begin(self) -> asyncio.Task[Any] | None:
        """For a handler that is not watched, and tells itself: the call of this task begins. The task is for `end`."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        return task

    def end(self, task: asyncio.Task[Any] | None) -> None:
        """The last that the call does."""
        if task is not None:
            self._tasks.discard(task)

    def _begun(self) -> None:
        task = asyncio.current_task()
        if task is not None and task not in self._tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def ended(self, seconds: float) -> None:
        """Return when all have ended, or the time is over; those that came from outside end a turn later."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        for _ in range(3):  # gRPC's own tasks around each call
            await asyncio.sleep(0)


class _Watched(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.GenericRpcHandler, begun: Callable[[], None]) -> None:
        self._handler = handler
        self._begun = begun
        self._made: dict[str, tuple[Any, Any]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Asked for every call: what was made of a method's handler is kept."""
        found: Any = self._handler.service(handler_call_details)
        if found is None:
            return None
        method = str(handler_call_details.method)
        known, made = self._made.get(method, (None, None))
        if known is not found:
            given = {name: getattr(found, name) for name in BEHAVIOURS}
            wrapped = {name: _noting(each, self._begun) for name, each in given.items() if each is not None}
            made = found._replace(**wrapped)
            self._made[method] = (found, made)
        return made


def _noting(behaviour: Callable[..., Any], begun: Callable[[], None]) -> Callable[..., Any]:
    """The behaviour, which first says that it begins; what it is (coroutine, generator) stays."""
    if inspect.isasyncgenfunction(behaviour):

        async def generate(request: Any, context: Any) -> Any:
            begun()
            async for response in behaviour(request, context):
                yield response

        return generate

    async def call(request: Any, context: Any) -> Any:
        begun()
        return await behaviour(request, context)

    return call
