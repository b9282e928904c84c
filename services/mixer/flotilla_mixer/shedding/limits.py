"""The two judges of Istio 1.4: how long calls take, and how many come (mixer.md 7.6). Pure; times are given."""

from __future__ import annotations


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once; it is full at first. Times are seconds that only grow."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, cost: float, now: float) -> bool:
        """Whether there are so many tokens; if so, they are gone."""
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True


class AverageLatency:
    """The mean time of calls, in which a call counts half as much after `halflife`.

    `per_second` limits the samples that are looked at; 0 looks at all.
    """

    __slots__ = ("_at", "_halflife", "_samples", "_value")

    def __init__(self, halflife: float, per_second: float = 0.0) -> None:
        self._halflife = halflife
        self._samples = TokenBucket(per_second, max(1.0, per_second)) if per_second else None
        self._value = 0.0
        self._at: float | None = None

    def add(self, seconds: float, now: float) -> None:
        if self._samples is not None and not self._samples.take(1, now):
            return
        if self._at is None:
            self._value = seconds
        else:
            # What was before keeps its share by the time that went by; one more call always counts a little.
            kept = min(0.5 ** ((now - self._at) / self._halflife), 0.99)
            self._value = kept * self._value + (1 - kept) * seconds
        self._at = now

    def at(self, now: float) -> float:
        """The mean now. Where no calls come it sinks by half each halflife, so that calls are let in again."""
        if self._at is None:
            return 0.0
        return float(self._value * 0.5 ** (max(0.0, now - self._at) / self._halflife))
