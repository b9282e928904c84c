"""Whether the process is behind: how long its calls have waited, for as long as all of them do.

One late call (a pause of the machine, a configuration that is put in place) is no overload: only when all calls of some
time, and not few, have waited longer than the limit is there more to do than can be done. That is the rule of
controlled delay, as routers have it. Pure; times are given.
"""

from __future__ import annotations

REPORTS_AFTER, CHECKS_AFTER = 0.05, 0.1  # seconds
SILENCE = 1.0  # what was seen longer ago says nothing of now
FEWEST_A_SECOND = 50.0  # calls; fewer are late for another reason, as on a machine that has no time for the process
FEWEST = 10


class Level:
    """A limit in seconds. It is exceeded while every call has waited for longer, since `after` or for longer."""

    __slots__ = ("_after", "_last", "_limit", "_long", "_short_at")

    def __init__(self, limit: float, after: float) -> None:
        self._limit = limit
        self._after = after
        self._short_at: float | None = None
        self._last = 0.0
        self._long = 0

    def waited(self, seconds: float, now: float) -> None:
        """A call had waited so long when it was seen, which is now."""
        if seconds <= self._limit or self._short_at is None or now - self._last > SILENCE:
            self._short_at, self._long = now, 0
        else:
            self._long += 1
        self._last = now

    def exceeded(self, now: float) -> bool:
        if self._short_at is None or now - self._last > SILENCE or self._long < FEWEST:
            return False
        lasted = self._last - self._short_at
        return lasted >= self._after and self._long >= FEWEST_A_SECOND * lasted


class Pressure:
    """Two levels: from the lower on reports are shed, from the higher on Checks too. `seconds` is the last wait seen."""

    def __init__(self, report_limit: float, check_limit: float) -> None:
        self._reports, self._checks = Level(report_limit, REPORTS_AFTER), Level(check_limit, CHECKS_AFTER)
        self.seconds = 0.0

    def waited(self, seconds: float, now: float) -> None:
        """A call had waited so long when it was seen."""
        self.seconds = seconds
        self._reports.waited(seconds, now)
        self._checks.waited(seconds, now)

    def reports(self, now: float) -> bool:
        """Whether reports are to be shed."""
        return self._reports.exceeded(now)

    def checks(self, now: float) -> bool:
        """Whether Checks are."""
        return self._checks.exceeded(now)
