"""How long calls have waited before they are seen, told by their deadlines.

A server of grpc.aio takes calls out of gRPC's core one by one, so those that are too many wait there, unseen. But a
caller gives its calls the same time, again and again: what the longest deadline of late had left and this one has not
is the time for which it has waited. Pure; times are given.
"""

from __future__ import annotations

WINDOW = 10.0  # seconds for which a caller's longest deadline is believed, at least
MOST_CALLERS = 20_000


class Ages:
    """The callers of one method, by whatever names their connections."""

    def __init__(self, window: float = WINDOW, most: int = MOST_CALLERS) -> None:
        self._window = window
        self._most = most
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._began: float | None = None

    def __len__(self) -> int:
        return len(self._now)

    def of(self, caller: str, left: float, now: float) -> float:
        """Seconds for which a call has waited whose deadline has so much left."""
        if self._began is None or now - self._began >= self._window or len(self._now) >= self._most:
            self._before = self._now if self._began is not None and now - self._began < 2 * self._window else {}
            self._now, self._began = {}, now
        longest = max(self._now.get(caller, left), self._before.get(caller, left), left)
        self._now[caller] = max(self._now.get(caller, left), left)
        return longest - left
