"""Waiting until changes have come to rest."""

import asyncio
import time


class Debounce:
    """Changes come in bursts; `settled` returns when none came for `quiet` seconds, or `most` seconds after the
    first. It gives when the first one came, by time.monotonic.
    """

    def __init__(self, quiet: float, most: float) -> None:
        self._quiet = quiet
        self._most = most
        self._changed = asyncio.Event()
        self._first: float | None = None

    def touch(self) -> None:
        """Something changed."""
        if self._first is None:
            self._first = time.monotonic()
        self._changed.set()

    async def settled(self) -> float:
        """Wait for a change, and for its end. For one caller."""
        await self._changed.wait()
        assert self._first is not None
        end = self._first + self._most
        while (left := min(self._quiet, end - time.monotonic())) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                break
        self._changed.clear()
        first, self._first = self._first, None
        return first
