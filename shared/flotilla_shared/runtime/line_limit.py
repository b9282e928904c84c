"""A bound on log lines whose number strangers decide."""

from __future__ import annotations

import time
from collections.abc import Callable

LINES_A_SECOND = 20


class LineLimit:
    """So many lines in each second; those beyond are counted, for the next line to tell. One loop's."""

    def __init__(self, lines_a_second: int = LINES_A_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = lines_a_second
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def take(self) -> int | None:
        """Whether a line may be written: how many were left out before it, or None when this one is, too."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._most:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return left_out
