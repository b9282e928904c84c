"""Waiting before another try: exponential, with full jitter."""

from __future__ import annotations

import random


class Backoff:
    """`next()` gives seconds uniform in [0, min(cap, first x 2^n)]; `reset()` after a try that worked.

    Full jitter spreads a fleet that lost its server at one moment.
    """

    def __init__(self, first: float = 0.1, cap: float = 10.0, source: random.Random | None = None) -> None:
        if first <= 0 or cap < first:
            raise ValueError(f"first must be above 0 and not above cap, not {first} and {cap}")
        self._first = first
        self._cap = cap
        self._tries = 0
        self._random = source or random.Random()  # noqa: S311  # spreading, not secrecy

    def next(self) -> float:
        ceiling = min(self._cap, self._first * 2 ** min(self._tries, 32))
        self._tries += 1
        return self._random.uniform(0, ceiling)

    def reset(self) -> None:
        self._tries = 0
