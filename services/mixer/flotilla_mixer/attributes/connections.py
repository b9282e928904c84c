"""TCP connections while they last: from Envoy's running totals to what is new, and to open, continue, close.

Envoy gives every entry of a connection the same id and totals that only grow (mixer-on-envoy.md 4), so what was
lost on the way only makes the next difference larger.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

Event = Literal["open", "continue", "close"]
LIMIT = 200_000
IDLE_SECONDS = 600.0  # Envoy reports a living connection every ten seconds


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry says that was not known. Bytes are since the last change of the connection."""

    event: Event
    received: int
    sent: int


@dataclass(slots=True)
class _Known:
    received: int
    sent: int
    seen: float


class ConnectionTable:
    """The connections of all proxies, by Envoy's stream id. Bounded; what was silent for long is forgotten."""

    def __init__(self, limit: int = LIMIT, idle_seconds: float = IDLE_SECONDS) -> None:
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def update(
        self, name: str, received: int, sent: int, *, ended: bool, from_its_start: bool, now: float
    ) -> tuple[Change, ...]:
        """Take the totals of an entry of connection `name`.

        `from_its_start`: where the connection is not known, whether this entry is the first of it, or there were
        others that never came. Then its bytes so far are not counted, for they may have been counted elsewhere.
        """
        self._forget(now)
        known = self._known.pop(name, None)
        opens = known is None and from_its_start
        base = known or (_Known(0, 0, now) if from_its_start else _Known(received, sent, now))
        new = (max(0, received - base.received), max(0, sent - base.sent))
        if not ended:
            self._known[name] = _Known(received, sent, now)
            return (Change("open" if opens else "continue", *new),)
        if opens:
            return Change("open", 0, 0), Change("close", *new)
        return (Change("close", *new),)

    def _forget(self, now: float) -> None:
        """Drop the least recently heard of, while there are too many or they were silent for too long."""
        while self._known:
            name, oldest = next(iter(self._known.items()))
            if len(self._known) < self._limit and now - oldest.seen <= self._idle_seconds:
                return
            del self._known[name]
