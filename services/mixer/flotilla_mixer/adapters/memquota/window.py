"""A rolling window, and a plain cell: how much of a limit is in use."""

from __future__ import annotations


class RollingWindow:
    """At most `limit` in any `ticks` ticks that follow one another. Not told of ticks that go backwards."""

    def __init__(self, limit: int, ticks: int) -> None:
        self.limit = limit
        self.available = limit
        self._slots = [0] * ticks
        self._tick = 0
        self.touched = 0.0

    def allocate(self, amount: int, tick: int) -> bool:
        """Take all of it, or nothing."""
        self.advance(tick)
        if amount > self.available:
            return False
        self._slots[self._tick % len(self._slots)] += amount
        self.available -= amount
        return True

    def release(self, amount: int, tick: int) -> int:
        """Give back what is still in the window, the newest first; says how much that was."""
        self.advance(tick)
        left = amount
        for back in range(len(self._slots)):
            place = (self._tick - back) % len(self._slots)
            given = min(left, self._slots[place])
            self._slots[place] -= given
            left -= given
        released = amount - left
        self.available += released
        return released

    def advance(self, tick: int) -> None:
        """What has left the window by this tick is available again."""
        behind = min(tick - self._tick, len(self._slots))
        for step in range(behind):
            place = (tick - step) % len(self._slots)
            self.available += self._slots[place]
            self._slots[place] = 0
        if behind > 0:
            self._tick = tick

    @property
    def idle(self) -> bool:
        return self.available == self.limit


class Cell:
    """At most `limit` in use, until it is released."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.available = limit
        self.touched = 0.0

    def allocate(self, amount: int, tick: int) -> bool:
        if amount > self.available:
            return False
        self.available -= amount
        return True

    def release(self, amount: int, tick: int) -> int:
        released = min(amount, self.limit - self.available)
        self.available += released
        return released

    def advance(self, tick: int) -> None:
        pass

    @property
    def idle(self) -> bool:
        return self.available == self.limit
