"""How many streams, and how fast: a caller in a loop must not take Galley from the others.

Istio 1.4 let a stream make one request a second after a hundred, which held busy meshes to one acknowledgement a
second. Here the limits are far above what a healthy subscriber does, and who exceeds them waits alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from flotilla_galley.distribution.stream import StreamRefused


class TokenBucket:
    """`burst` at once, then `per_second`. Who takes waits until it is its turn; nobody else does."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def wait_seconds(self) -> float:
        """Take one, and say how long to wait before using it."""
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        return max(0.0, -self._left / self._per_second)

    async def take(self) -> None:
        seconds = self.wait_seconds()
        if seconds > 0:
            await asyncio.sleep(seconds)


@dataclass
class StreamLimits:
    """`most` streams at once, of all protocols together; rates per second and how many at once beyond them."""

    most: int = 4096
    streams_per_second: float = 100
    requests_per_second: float = 100
    requests_burst: int = 500
    _open: int = 0
    _opening: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self._opening = TokenBucket(self.streams_per_second, self.most)

    def requests(self) -> TokenBucket:
        """A new stream's own."""
        return TokenBucket(self.requests_per_second, self.requests_burst)

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[None]:
        """While a stream is open. Raises StreamRefused when there are too many."""
        if self._open >= self.most:
            text = f"there are {self.most} streams already; raise mcp_max_streams, or run more replicas"
            raise StreamRefused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self._open += 1
        try:
            await self._opening.take()
            yield
        finally:
            self._open -= 1
