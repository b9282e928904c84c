"""Reports of the native API wait here while Checks are answered.

A report of a hundred entries is some milliseconds of work, and a server of grpc.aio takes one new call in a turn or two
of its loop: a report in each turn would keep every Check waiting. So reports stand in a queue of their own, which is
bounded, and one is taken when no Check has been worked on for some turns, or at the least ten a second. What the caller no longer
waits for goes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import grpc

from flotilla_mixer.shedding.throttle import OVERLOADED, Cause, Throttle
from flotilla_shared.runtime.serving import Call

Take = Callable[[Call], None]
QUIET_TURNS = 12  # a little more than a batch of Checks waits for its next call
LONGEST_SECONDS = 0.1


class ReportLane:
    """`limit` is the number of entries that may wait. On the loop."""

    def __init__(self, throttle: Throttle, limit: int) -> None:
        self._throttle = throttle
        self._limit = limit
        self._waiting: deque[tuple[Call, int, Take]] = deque()
        self._entries = 0
        self._quiet = QUIET_TURNS
        self._taken_at = 0.0

    def __len__(self) -> int:
        """How many entries wait."""
        return self._entries

    def check_came(self) -> None:
        """A Check is there: reports wait a little."""
        self._quiet = 0

    def put(self, call: Call, entries: int, take: Take) -> None:
        """`take` is called with the call when its turn has come; or it is answered that there is no room."""
        if self._entries and self._entries + entries > self._limit:
            self._throttle.drop(entries, Cause.QUEUE)
            call.fail(grpc.StatusCode.UNAVAILABLE, OVERLOADED)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
            self._taken_at = time.monotonic()
        self._waiting.append((call, entries, take))
        self._entries += entries

    def _turn(self) -> None:
        try:
            self._quiet += 1
            if self._quiet > QUIET_TURNS or time.monotonic() - self._taken_at > LONGEST_SECONDS:
                self._take_one()
        finally:
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._turn)

    def _take_one(self) -> None:
        while self._waiting:
            call, entries, take = self._waiting.popleft()
            self._entries -= entries
            if not call.given_up:
                take(call)
                self._taken_at, self._quiet = time.monotonic(), 0
                return
            self._throttle.drop(entries, Cause.EXPIRED)
            call.expire()
