"""What a start waits for, told once it takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

TELL_SECONDS = 3.0


class Waits:
    """Says why each part is waited for, after the first seconds, and again whenever its reason changes."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._began = clock()
        self._told: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Since the waiting began."""
        return self._clock() - self._began

    def on(self, name: str, reason: str) -> None:
        """`name` is not there yet, for this reason."""
        if reason and self.seconds >= TELL_SECONDS and self._told.get(name) != reason:
            self._told[name] = reason
            self._say(f"{name} waits: {reason}")
