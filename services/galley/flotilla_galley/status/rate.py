"""A token bucket."""

from __future__ import annotations

import asyncio
import time


class Rate:
    """`take` waits so that at most `burst` at once and `each_second` in the long run get through."""

    def __init__(self, each_second: float, burst: int) -> None:
        if each_second <= 0 or burst < 1:
            raise ValueError(f"a rate must be above 0 and a burst at least 1, not {each_second} and {burst}")
        self._each_second = each_second
        self._burst = burst
        self._tokens = float(burst)
        self._at = time.monotonic()

    async def take(self) -> None:
        """Return when there is one."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._each_second)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._each_second)
