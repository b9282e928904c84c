"""A rolling window, and a plain cell: how much of a limit is in use."""

from __future__ import annotations


class RollingWindow:
    """At most `limit` in any `ticks` ticks that follow one another. Not told of ticks that go backwards.

    What is used between two ticks counts as used at the later one: it never leaves the window early.
    """

    def __init__(self, limit: int, ticks: int) -> None:
        self.limit = limit
        self.available = limit
        self._slots = [0] * (ticks + 1)  # of the ticks in the window, and of the one to come
        self._tick = 0
        self._first = 0  # no tick before it has anything in the window
        self.touched = 0.0

    def allocate(self, amount: int, tick: int, *, later: bool = False) -> bool:
        """Take all of it, or nothing. `later`: the tick is over, and the next one has not come."""
        self.advance(tick)
        if amount > self.available:
            return False
        at = self._tick + later
        self._slots[at % len(self._slots)] += amount
        self._first = min(self._first, at)
        self.available -= amount
        return True

    def release(self, amount: int, tick: int) -> int:
        """Give back what is still in the window, the newest first; says how much that was."""
        self.advance(tick)
        left = amount
        for back in range(len(self._slots)):
            place = (self._tick + 1 - back) % len(self._slots)
            given = min(left, self._slots[place])
            self._slots[place] -= given
            left -= given
        released = amount - left
        self.available += released
        return released

    def advance(self, tick: int) -> None:
        """What has left the window by this tick is available again: its slots become those of ticks to come."""
        behind = min(tick - self._tick, len(self._slots))
        for step in range(behind):
            place = (tick + 1 - step) % len(self._slots)
            self.available += self._slots[place]
            self._slots[place] = 0
        if behind > 0:
            self._tick = tick

    def resets_in(self) -> int:
        """Ticks until some of what is used is available again; 0 while nothing is used. Each tick is looked at once."""
        if self.idle:
            return 0
        self._first = max(self._first, self._tick + 2 - len(self._slots))
        while not self._slots[self._first % len(self._slots)]:
            self._first += 1
        return self._first + len(self._slots) - 1 - self._tick

    @property
    def idle(self) -> bool:
        return self.available == self.limit


class Cell:
    """At most `limit` in use, until it is released."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.available = limit
        self.touched = 0.0

    def allocate(self, amount: int, tick: int, *, later: bool = False) -> bool:
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

    def resets_in(self) -> int:
        return 0

    @property
    def idle(self) -> bool:
        return self.available == self.limit
