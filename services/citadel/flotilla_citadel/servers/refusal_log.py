"""A line for each refusal, but a bounded number of them: strangers decide how many there are."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla_citadel.errors import RequestRefused
from flotilla_shared.runtime.logs import get_logger

LINES_A_SECOND = 20

_log = get_logger(__name__)


class RefusalLog:
    """Logs refusals; those beyond the limit of a second are counted in the next line (`not_logged`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._dropped = 0

    def refused(self, refused: RequestRefused, peer: str, identity: str | None) -> None:
        """`peer` is the address, `identity` what its certificate says, verified or not."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._dropped += 1
            return
        _log.warning(
            "certificate request refused",
            reason=refused.reason,
            text=refused.text,
            detail=refused.detail,
            peer=peer,
            peer_identity=identity,
            not_logged=self._dropped,
        )
        self._dropped = 0
