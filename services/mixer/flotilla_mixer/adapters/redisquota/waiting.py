"""Calls that wait for Redis: bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from flotilla_mixer.kit.adapter import QuotaCall
from flotilla_mixer.kit.counters import CLOSING, TIMEOUT
from flotilla_mixer.kit.results import QuotaResult


class Asked:
    """A call with the command that asks Redis, the slot of its keys in a cluster, and the loop's time at which it is given
    up. `moves` counts the nodes of a cluster that sent it to another, `asking` is set where it has to say that it was sent.
    """

    __slots__ = ("asking", "call", "command", "done", "moves", "slot", "until")

    def __init__(self, call: QuotaCall, command: bytes, slot: int, until: float) -> None:
        self.call = call
        self.command = command
        self.slot = slot
        self.until = until
        self.moves = 0
        self.asking = False
        self.done = False


class Waiting:
    """All calls that have no answer yet, sent or not, oldest first. Each ends after `seconds`: then `give_up` gives the
    answer to the call, and hears the cause in a word.

    On one loop. Many calls share one timer, since they end in the order in which they came.
    """

    def __init__(self, most: int, seconds: float, give_up: Callable[[QuotaCall, str], QuotaResult]) -> None:
        self.open = 0
        self._most = most
        self._seconds = seconds
        self._give_up = give_up
        self._all: deque[Asked] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: QuotaCall, command: bytes, slot: int) -> Asked | None:
        """Take it, unless too many wait: then it is not taken and there is no result."""
        if self.open >= self._most:
            return None
        loop = asyncio.get_running_loop()
        asked = Asked(call, command, slot, loop.time() + self._seconds)
        self.open += 1
        self._all.append(asked)
        if self._timer is None:
            self._timer = loop.call_at(asked.until, self._ring)
        return asked

    def answer(self, asked: Asked, result: QuotaResult) -> None:
        """The first answer counts."""
        if asked.done:
            return
        asked.done = True
        self.open -= 1
        while self._all and self._all[0].done:
            self._all.popleft()
        asked.call.answer(result)

    def give_up(self, asked: Asked, cause: str) -> None:
        """Redis will not answer it."""
        if not asked.done:
            self.answer(asked, self._give_up(asked.call, cause))

    def close(self) -> None:
        """Answer all that wait. Safe twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._all:
            self.give_up(self._all[0], CLOSING)

    def _ring(self) -> None:
        """Those whose time is over have no answer."""
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        while self._all and self._all[0].until <= now:
            self.give_up(self._all[0], TIMEOUT)
        if self._all:
            self._timer = loop.call_at(self._all[0].until, self._ring)
