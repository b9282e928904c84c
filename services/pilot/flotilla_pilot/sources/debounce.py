"""Waiting until changes have come to rest."""

import asyncio
from collections.abc import Callable

Clock = Callable[[], float]


class Debounce:
    """Changes come in bursts; `settled` returns when none came for `quiet` seconds, or `most` seconds after the
    first. It gives when the first one came, by the event loop's clock.
    """

    def __init__(self, quiet: float, most: float) -> None:
        self._quiet = quiet
        self._most = most
        self._changed = asyncio.Event()
        self._first: float | None = None

    def touch(self) -> None:
        """Something changed."""
        if self._first is None:
            self._first = asyncio.get_running_loop().time()
        self._changed.set()

    async def settled(self) -> float:
        """Wait for a change, and for its end. For one caller."""
        await self._changed.wait()
        assert self._first is not None
        end = self._first + self._most
        while (left := min(self._quiet, end - asyncio.get_running_loop().time())) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                break
        self._changed.clear()
        first, self._first = self._first, None
        return first
