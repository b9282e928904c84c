"""Messages of a stream that are written whole, whoever ends the stream meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

LAST_WRITE_SECONDS = 1.0


class WholeWrites:
    """What one stream writes. To end the stream with a status: `finish`, then cancel the tasks that write, then abort.

    grpc.aio cannot send a status behind a message whose write was cancelled: the call would never end.
    """

    def __init__(self, write: Callable[[Any], Awaitable[None]]) -> None:
        self._write = write
        self._writing = asyncio.Lock()

    async def write(self, message: Any) -> None:
        """Write one message; one after another."""
        async with self._writing:
            await self._write(message)

    async def finish(self) -> None:
        """Wait for the message under way, a second at most: a peer that reads nothing may not keep the stream."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITE_SECONDS), self._writing:
                return
