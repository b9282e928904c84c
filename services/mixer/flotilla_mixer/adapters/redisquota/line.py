"""The calls that one Redis is to be asked, and was not yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from flotilla_mixer.adapters.redisquota.waiting import Asked


class Line:
    """Oldest first, for any number of links. On one loop."""

    def __init__(self) -> None:
        self.closed = False
        self._unsent: deque[Asked] = deque()
        self._some = asyncio.Event()
        self._turn = asyncio.Lock()  # one link waits at a time: a call wakes no more than it needs

    def put(self, asked: Asked) -> None:
        self._unsent.append(asked)
        self._some.set()

    async def next(self, most: int) -> Sequence[Asked]:
        """The oldest, at least one; waits for it. Nothing when the line is closed."""
        async with self._turn:
            while True:
                await self._some.wait()
                taken = self._take(most)
                if not self._unsent and not self.closed:
                    self._some.clear()
                if taken or self.closed:
                    return taken

    def _take(self, most: int) -> list[Asked]:
        taken: list[Asked] = []
        while self._unsent and len(taken) < most:
            asked = self._unsent.popleft()
            if not asked.done:
                taken.append(asked)
        return taken

    def leave(self) -> Sequence[Asked]:
        """All that were not sent; they are in no line now."""
        left = [asked for asked in self._unsent if not asked.done]
        self._unsent.clear()
        if not self.closed:
            self._some.clear()
        return left

    def close(self) -> Sequence[Asked]:
        """As `leave`, and nobody waits here any more."""
        self.closed = True
        self._some.set()
        return self.leave()
