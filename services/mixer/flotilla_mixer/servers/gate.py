"""What every call and every message of a log stream passes before anything is done for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import grpc

from flotilla_mixer.servers.report_lane import ReportLane
from flotilla_mixer.shedding.age import Ages
from flotilla_mixer.shedding.throttle import OVERLOADED, Throttle
from flotilla_shared.runtime.serving import Call


class Gate:
    """Refuses what is too much, and lets reports wait behind Checks: at most `report_entries` of them. On the loop."""

    def __init__(self, throttle: Throttle, report_entries: int) -> None:
        self._throttle = throttle
        self._lane = ReportLane(throttle, report_entries)
        self._check_ages, self._report_ages = Ages(), Ages()

    def checks(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Those of the calls that are let in; the others have been answered, or nobody waits for them."""
        self._lane.check_came()
        self._look_at(calls, self._check_ages)
        waited_for = [call for call in calls if not call.given_up]
        if len(waited_for) < len(calls):
            for call in calls:
                call.expire()
        return waited_for if self._throttle.calm() else [call for call in waited_for if self._lets_in(call)]

    def _lets_in(self, call: Call) -> bool:
        if not self._throttle.sheds_check():
            return True
        call.fail(grpc.StatusCode.UNAVAILABLE, OVERLOADED)
        return False

    def report(self, call: Call, entries: int, take: Callable[[Call], None]) -> None:
        """`take` is called with the call when its turn has come, unless it is answered before."""
        self._look_at((call,), self._report_ages)
        if self._throttle.sheds_report(entries):
            call.fail(grpc.StatusCode.UNAVAILABLE, OVERLOADED)
        else:
            self._lane.put(call, entries, take)

    def _look_at(self, calls: Sequence[Call], ages: Ages) -> None:
        """Tell the throttle how long the newest of the calls has waited before it came here."""
        now, least = time.monotonic(), None
        for call in calls:
            age = call.waited
            if age is None and (left := call.deadline) is not None:
                age = ages.of(call.peer.address, left, now)
            if age is not None:
                least = age if least is None else min(age, least)
        if least is not None:
            self._throttle.waited(least)

    def sheds_entries(self, entries: int) -> bool:
        """Whether a message of a log stream is dropped: its sender hears nothing of that, as of everything else."""
        return self._throttle.sheds_report(entries)

    def answered(self, seconds: float) -> None:
        """A call was answered so long after it came."""
        self._throttle.answered(seconds)
