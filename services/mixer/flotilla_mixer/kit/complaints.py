"""What goes wrong with a handler's backend, in the log: by cause, and not at the backend's rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla_mixer.kit.counters import HandlerCounter
from flotilla_shared.runtime.logs import get_logger

QUIET_SECONDS = 10.0
MOST_CAUSES = 100  # further ones share a line

_log = get_logger(__name__)


class Complaints:
    """Counts every complaint; writes each cause at most once in ten seconds, with how many were left out since."""

    def __init__(self, counter: HandlerCounter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._said: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def say(self, cause: str, text: str, **details: object) -> None:
        """`cause` is one word, of few: it is a label of a metric. `text` is for people and may name addresses, never
        secrets.
        """
        if cause not in self._said and len(self._said) >= MOST_CAUSES:
            cause = "other"
        self._counter.wrong(cause)
        now = self._clock()
        if now - self._said.get(cause, -QUIET_SECONDS) < QUIET_SECONDS:
            self._left_out[cause] = self._left_out.get(cause, 0) + 1
            return
        self._said[cause] = now
        _log.warning(text, handler=self._counter.handler, cause=cause, left_out=self._left_out.pop(cause, 0), **details)

    def over(self, text: str) -> None:
        """It works again: say so if anything was said before, and be ready to complain at once."""
        if self._said:
            _log.info(text, handler=self._counter.handler, left_out=sum(self._left_out.values()))
            self._said.clear()
            self._left_out.clear()
